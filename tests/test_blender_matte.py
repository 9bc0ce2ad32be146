"""A matte in real Blender, through a real daemon: painted key, solve, and pixels that come out of the compositor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blender import Blender, asked_for, blender_in, python_of
from daemons import Daemon, daemon_in
from shots import Shot, make_shot, read_exr, trimap

FRAMES = 4
FIRST = 1001


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture(scope="module", params=asked_for())
def blender(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blender]:
    with blender_in(tmp_path_factory.mktemp("b"), python_of(request.param)) as blender:
        yield blender


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "plates", frames=FRAMES, first=FIRST)


def plate(shot: Shot, **more: Any) -> dict[str, Any]:
    """Return the arguments of a sequence node that plays a shot's plate from scene frame 1."""
    return {"first_file": shot.plate.replace("####", str(FIRST)), "start": 1, "offset": FIRST - 1, "count": FRAMES, **more}


def key(shot: Shot, frame: int) -> list[list[float]]:
    rows: list[list[float]] = trimap(shot.truth[frame]).tolist()
    return rows


def test_a_painted_key_becomes_the_alpha_of_every_frame_in_the_compositor(
    blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path
) -> None:
    given = {"connection": daemon.connection, "plate": plate(shot), "trimap": key(shot, FIRST), "key": 1}
    played = blender.play("first_matte", blend=tmp_path / "comp.blend", out=tmp_path / "out", frames=[1, 3, 4], **given)
    assert [state for _, state, _ in played["states"]] == ["solved"] * FRAMES
    for scene_frame in (1, 3, 4):
        number = FIRST + scene_frame - 1
        solved = read_exr(Path(played["version"]) / f"alpha.{number}.exr")[..., 0]
        seen = read_exr(tmp_path / "out" / f"Alpha.{scene_frame:04d}.exr")[..., 0]
        assert np.abs(solved - seen).max() == 0
        assert 0.1 < solved.mean() < 0.5
        assert np.abs(solved - shot.truth[number]).mean() < 0.02
    again = blender.play("without_the_addon", blend=tmp_path / "comp.blend", out=tmp_path / "bare", frames=[3])
    for name in again:
        if name.startswith(("Alpha", "Image")):
            assert np.array_equal(read_exr(tmp_path / "bare" / name), read_exr(tmp_path / "out" / name))
