"""The plug-in on the Pythons of Nuke, each with the wheels that `videomatte install nuke` gets for it, against a real daemon."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest
from daemons import Daemon
from nuke_artist import interpreter

from bridge.install import nuke as installation
from bridge.install import wheels
from bridge.wire.errors import ResourceError

PLUGIN = sorted((Path(__file__).resolve().parents[2] / "host_plugins" / "nuke").rglob("*.py"))
HOST = Path(__file__).resolve().parents[1] / "nuke_host"


@pytest.mark.slow
@pytest.mark.parametrize("version", wheels.PYTHONS)
def test_an_artist_solves_on_the_python_of_the_host(version: str, daemon: Daemon, tmp_path: Path) -> None:
    python = interpreter(version)
    try:
        plugin = installation.install(tmp_path / ".nuke", pythons=(version,))
    except ResourceError as error:
        pytest.skip(error.message)
    script = tmp_path / "script"
    script.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [python, "-W", "error", "-s", str(HOST / "artist_alone.py"), str(plugin), str(daemon.connection), str(script)]
    ran = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["python"] == [int(part) for part in version.split(".")]
    assert (told["first"], told["second"]) == ("v001", "v002")
    assert "solved 1001-1006" in told["said"]
    assert told["frames"] == [f"alpha.{frame}.exr" for frame in range(1001, 1007)]
    assert told["zmq"] == str(plugin / "vendor" / wheels.folder_name(version))
    assert told["strangers"] == []
    (message,) = told["messages"]
    assert "No job of VideoMatte1 is running" in message


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).resolve().parents[2] / "host_plugins" / "nuke").rglob("*.py")), ids=lambda p: p.name
)
def test_the_plug_in_is_written_for_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
