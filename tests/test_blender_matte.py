"""A matte in real Blender, through a real daemon: painted key, solve, and pixels that come out of the compositor."""

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
    assert {"Alpha.0003.exr", "Image.0003.exr"} <= set(again)
    for name in ("Alpha.0003.exr", "Image.0003.exr"):
        assert np.array_equal(read_exr(tmp_path / "bare" / name), read_exr(tmp_path / "out" / name))
