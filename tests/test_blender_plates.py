"""Plates of every kind in real Blender: files, clips, what is upstream; negative frames, light above white and below black."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blender import Blender
from blender_cases import FIRST, FRAMES, blender, daemon, files, key, plate, shot
from daemons import Daemon
from shots import Shot, picture, read_exr, write_exr

__all__ = ["blender", "daemon", "shot"]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["image", "clip", "rendered clip", "upstream"])
def test_a_plate_of_any_kind_is_solved_once(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path, kind: str) -> None:
    start = -2
    given = {"connection": daemon.connection, "sequence": plate(shot, start=start), "kind": kind, "trimap": key(shot, FIRST)}
    played = blender.play("solved_plate", blend=tmp_path / "a.blend", out=tmp_path / "out", frames=[start + 1], **given)
    by_file = kind in ("image", "clip")
    assert played["rendered"] is not by_file
    assert played["range"] == [start, start + FRAMES - 1]
    assert played["again"] == played["version"]
    assert played["scenes"] == 1
    number = start + 1 + played["shift"]
    assert number == (FIRST + 1 if by_file else 1000 + start + 1)
    solved = read_exr(Path(played["version"]) / f"alpha.{number:04d}.exr")[..., 0]
    (seen,) = (read_exr(path)[..., 0] for path in (tmp_path / "out").glob("Alpha*.exr"))
    assert np.array_equal(solved, seen)
    assert np.abs(solved - shot.truth[FIRST + 1]).mean() < 0.03
    if kind == "upstream":
        made, source = (
            read_exr(Path(p.replace("####", str(n).zfill(4)))) for p, n in ((played["pattern"], number), (shot.plate, FIRST + 1))
        )
        assert np.array_equal(made[..., :3], 2 * source[..., :3])
    assert len(files(played["version"])) == FRAMES


def test_a_range_that_begins_before_the_plate_plays_the_frames_there_are(
    blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path
) -> None:
    given = {"connection": daemon.connection, "sequence": plate(shot), "trimap": key(shot, FIRST)}
    played = blender.play("solved_from_before_it_begins", blend=tmp_path / "a.blend", out=tmp_path / "out", **given)
    assert played["range"] == [0, FRAMES]
    solved = read_exr(Path(played["version"]) / f"alpha.{FIRST + 1}.exr")[..., 0]
    assert np.array_equal(read_exr(tmp_path / "out" / "Alpha.0002.exr")[..., 0], solved)
    assert len(files(played["version"])) == FRAMES


def test_a_matte_deleted_while_its_plate_is_rendered_is_said_in_words(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    played = blender.play("deleted_while_rendered", blend=tmp_path / "a.blend", connection=daemon.connection, sequence=plate(shot))
    assert played == {"said": "What was worked on was undone or deleted meanwhile. Press again.", "scenes": 1}


def test_light_above_white_and_below_black_comes_through(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    bright = picture(shot.truth[FIRST], seed=2)
    bright[:8, :8] = (-0.5, 20.0, 0.25)
    bright[28:36, 36:44] = (-0.25, 40.0, 8.0)
    write_exr(Path(shot.plate.replace("####", str(FIRST))), bright, kind="float")
    given = {"connection": daemon.connection, "sequence": plate(shot), "trimap": key(shot, FIRST), "kind": "image"}
    played = blender.play("solved_plate", blend=tmp_path / "a.blend", out=tmp_path / "out", frames=[1], **given)
    solved = read_exr(Path(played["version"]) / f"alpha.{FIRST}.exr")[..., 0]
    seen = read_exr(tmp_path / "out" / "Image.0001.exr")
    assert np.abs(seen[..., :3] - bright * solved[..., None]).max() < 40 * 2e-7
    assert given["trimap"][30][40] == 1.0
    assert seen[30, 40].tolist() == [-0.25, 40.0, 8.0, 1.0]


def test_foreground_and_garbage_come_through(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "sequence": plate(shot), "trimap": key(shot, FIRST)}
    played = blender.play("with_everything", blend=tmp_path / "a.blend", out=tmp_path / "out", **given)
    version = Path(played["version"])
    alpha, foreground = (read_exr(tmp_path / "out" / f"{name}.0002.exr") for name in ("Alpha", "Foreground"))
    assert (alpha[30:34, 46:50, 0] == 0).all()
    (written,) = (version.parents[1] / "foreground" / version.name).glob(f"*.{FIRST + 1}.exr")
    assert np.array_equal(foreground[..., :3], read_exr(written)[..., :3])
    assert foreground[..., 0].max() > 1.2
