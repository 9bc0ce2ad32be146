"""Starting Nuke: nothing of the plug-in is loaded, no socket is opened, and no failure stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HOST = Path(__file__).resolve().parents[1] / "nuke_host"
START = """
import builtins, json, runpy, socket, sys, time
sys.path[:0] = [sys.argv[2]]
import nuke
plugin, gui = sys.argv[1], sys.argv[3] == "gui"
nuke._begin(gui=gui)
nuke.STATE.startup = plugin
opened, asked = [], []
def refuse(*a, **k):
    opened.append(a)
    raise OSError("sockets are forbidden")
socket.socket = socket.create_connection = refuse
real = builtins.__import__
def watched(name, *a, **k):
    asked.append(name)
    if name.split(".")[0] in ("zmq", "msgpack", "videomatte_nuke"):
        raise ImportError(name)
    return real(name, *a, **k)
builtins.__import__ = watched
begun = time.perf_counter()
runpy.run_path(plugin + "/init.py")
if gui:
    runpy.run_path(plugin + "/menu.py")
took = time.perf_counter() - begun
node = nuke.createNode("VideoMatte")
print(json.dumps({"asked": sorted(set(asked)), "sockets": len(opened), "menus": nuke.STATE.menus, "node": node.name(), "took": took}))
"""


def started(plugin: Path, mode: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "error", "-c", START, str(plugin), str(HOST), mode]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert len(ran.stdout.splitlines()) == 1, ran.stdout
    return found


def test_starting_with_a_window_loads_nothing_but_nuke(plugin: Path) -> None:
    found = started(plugin, "gui")
    ours = {name for name in found["asked"] if name.split(".")[0] in ("zmq", "msgpack", "videomatte_nuke", "bridge", "socket", "PySide6")}
    assert ours == set()
    assert found["sockets"] == 0
    assert found["menus"] == ["Nodes/VideoMatte/VideoMatte: nuke.createNode('VideoMatte')"]
    assert found["node"] == "VideoMatte1"


def test_starting_in_batch_needs_no_menu(plugin: Path) -> None:
    assert started(plugin, "batch")["menus"] == []


@pytest.mark.parametrize("file", ["init.py", "menu.py"])
def test_a_failure_is_one_line_and_no_end(file: str, plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "nuke.py").write_text("raise RuntimeError('broken')\n")
    ran = subprocess.run(
        [sys.executable, str(plugin / file)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "broken" in ran.stdout


def test_packages_that_are_missing_are_one_message_with_the_command(nuke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node = nuke.createNode("VideoMatte")
    monkeypatch.setitem(sys.modules, "msgpack", None)
    node["solve"].execute()
    (message,) = nuke.STATE.messages
    assert f"videomatte install nuke --python {sys.version_info[0]}.{sys.version_info[1]}" in message
