"""Keys in real Blender: from masks and mattes; locks, previews and suggestions; the strip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blender import Blender
from blender_cases import FIRST, FRAMES, blender, daemon, key, plate, shot
from daemons import Daemon
from shots import Shot, read_exr

__all__ = ["blender", "daemon", "shot"]
pytestmark = pytest.mark.slow


def test_a_mask_is_foreground_and_its_feather_unknown(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    played = blender.play("key_from_mask", blend=tmp_path / "a.blend", connection=daemon.connection, plate=plate(shot))
    assert "no feather" in played["refused"]
    assert "Unknown Width" in played["refused"]
    assert played["keys"] == [FIRST]
    assert not played["left"]
    (inside, band, _), (whole, feather, outside) = played["kinds"]
    radius = 0.2 * 96
    assert abs(whole - np.pi * radius**2) < 0.08 * whole
    assert abs(inside - np.pi * (radius - 3) ** 2) < 0.12 * inside
    assert 0.6 * 2 * np.pi * radius * 6 < band < 1.4 * 2 * np.pi * radius * 6
    assert 0.5 * 2 * np.pi * radius * 0.06 * 96 < feather < 2 * 2 * np.pi * radius * 0.06 * 96
    assert whole + feather + outside == 96 * 64


def test_a_matte_makes_a_key_and_locked_frames_stay(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "plate": plate(shot), "trimap": key(shot, FIRST)}
    played = blender.play("key_from_matte", blend=tmp_path / "a.blend", out=tmp_path / "out", **given)
    assert "no solved matte" in played["nothing"]
    assert [state for _, state, _ in played["stale"]] == ["stale"] * FRAMES
    assert played["states"][1][1:] == ["stale", ["locked"]]
    assert [state for _, state, _ in played["states"]] == ["solved", "stale", "solved", "solved"]
    assert [flags for _, _, flags in played["states"]][0::3] == [["key"], ["key"]]
    first, second = Path(played["first"]), Path(played["second"])
    same = [(first / f"alpha.{f}.exr").samefile(second / f"alpha.{f}.exr") for f in range(FIRST, FIRST + FRAMES)]
    assert same == [False, True, False, False]
    assert played["unlocked"][1][1:] == ["stale", []]
    assert "count backwards" in played["backwards"]
    assert not played["backwards"].startswith("Error: Error")
    assert played["previewed"]
    preview, alpha = read_exr(tmp_path / "out" / "preview.exr")[..., 0], read_exr(tmp_path / "out" / "Alpha.0003.exr")[..., 0]
    assert np.array_equal(preview, read_exr(Path(played["preview"]))[..., 0])
    assert np.array_equal(alpha, read_exr(second / f"alpha.{FIRST + 2}.exr")[..., 0])
    assert played["visited"] == [1, 3, 1]
    assert played["memory"] == ["FINISHED"]


def test_the_strip_shows_the_worst_of_many_frames_and_every_key(blender: Blender) -> None:
    states = [[f, "solved", []] for f in range(1, 101)]
    states[9], states[10], states[40] = [10, "stale", []], [11, "solved", ["key"]], [41, "failed", ["locked"]]
    played = blender.play("drawn_panel", states=states)
    cells = {frame: (state, flags, last) for (frame, state, flags), last in played["cells"]}
    assert len(cells) == 25
    assert cells[11] == ("stale", ["key"], 12)
    assert cells[41] == ("failed", ["locked"], 44)
    assert played["counts"] == {"failed": 1, "stale": 1, "solved": 98}
    assert played["icons"][10] == "KEYFRAME_HLT"
    assert played["icons"][40] == "LOCKED"
    assert played["icons"][9].endswith("COLOR_03")
