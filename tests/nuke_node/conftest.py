"""A session of the stand-in for Nuke, with the plug-in as `videomatte install nuke` leaves it."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import Daemon, daemon_in
from nuke_artist import Artist, gizmo, seated
from nuke_artist import nuke as stand_in
from shots import Shot, make_shot

from bridge.install import nuke as installation


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the installed plug-in, without wheels: this Python has its own."""
    return installation.install(tmp_path_factory.mktemp("home") / ".nuke", pythons=())


@pytest.fixture
def nuke(plugin: Path, tmp_path: Path) -> Iterator[Any]:
    """A session with a window and a saved script, started with the plug-in's init.py."""
    yield from begun(plugin, tmp_path, gui=True)


@pytest.fixture
def terminal(plugin: Path, tmp_path: Path) -> Iterator[Any]:
    """The same without a window."""
    yield from begun(plugin, tmp_path, gui=False)


def begun(plugin: Path, folder: Path, *, gui: bool) -> Iterator[Any]:
    if not gizmo.TCL:
        pytest.skip("there is no Tcl to read the gizmo with")
    path = list(sys.path)
    stand_in._begin(str(folder / "shot é.nk"), gui=gui)
    stand_in.STATE.startup = str(plugin)
    stand_in.pluginAddPath(".")
    runpy.run_path(str(plugin / "init.py"))
    yield stand_in
    if "videomatte_nuke.run" in sys.modules:
        running = sys.modules["videomatte_nuke.run"].RUNNING
        for run in running.values():
            run.stop.set()
        running.clear()
    sys.path[:] = path


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "plates", frames=7, first=1001, keys=(1001,))


@pytest.fixture
def artist(nuke: Any, shot: Shot, daemon: Daemon) -> Artist:
    return seated(nuke, shot, daemon.connection)
