"""The node in a real Nuke, when NUKE_EXECUTABLE names one; it takes a render licence."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from daemons import Daemon
from shots import Shot

from bridge.install import nuke as installation

SCRIPT = Path(__file__).resolve().parents[1] / "nuke_host" / "in_nuke.py"
NUKE = os.environ.get("NUKE_EXECUTABLE")


@pytest.mark.slow
@pytest.mark.skipif(not NUKE, reason="NUKE_EXECUTABLE names no Nuke")
def test_a_real_nuke_solves_in_a_terminal(daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    plugin = installation.install(tmp_path / ".nuke", pythons=installation.DEFAULT_PYTHONS)
    key = shot.keys.replace("####", str(shot.frames[0]))
    told = [plugin, daemon.connection, shot.plate, key, shot.frames[0], shot.frames[-1], tmp_path / "shot.nk"]
    command = [str(NUKE), "-t", str(SCRIPT), *(str(word) for word in told), "end"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=600)
    line = next((line for line in ran.stdout.splitlines() if line.startswith("RESULT ")), None)
    assert line is not None, ran.stdout + ran.stderr
    found = json.loads(line[len("RESULT ") :])
    assert found["file"].endswith("/alpha/v001/alpha.####.exr")
    assert found["files"] == [f"alpha.{frame}.exr" for frame in shot.frames]
    assert found["range"] == [shot.frames[0], shot.frames[-1]]
    assert found["writes"] == 0
    assert found["size"] == [96, 64]
    assert found["centre"] > 0.9
