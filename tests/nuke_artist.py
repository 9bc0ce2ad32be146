"""An artist at the stand-in for Nuke: a script with a plate, a trimap and a VideoMatte, and a hand that presses buttons."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from shots import Shot, trimap

sys.path.append(str(Path(__file__).with_name("nuke_host")))
import gizmo
import nuke
from host_pictures import Picture, made

__all__ = ["Artist", "gizmo", "interpreter", "nuke", "seated", "stubs"]
SIZE = (0, 0, 96, 64)


@dataclass
class Artist:
    """Somebody with a script: a plate in a Read, a trimap in a Roto, a VideoMatte below both."""

    nuke: Any
    shot: Shot
    node: Any
    source: Any
    roto: Any
    painted: list[int] = field(default_factory=list)

    def press(self, button: str, *, wait: bool = True) -> str:
        """Press a button and return the status; with `wait`, after the end of the job that it began."""
        name = self.node.fullName()
        self.node[button].execute()
        if wait:
            self.nuke._pump(self.idle)
        left = self.nuke.toNode(name)
        return "" if left is None else left["status"].value()

    def idle(self) -> bool:
        found = sys.modules.get("videomatte_nuke.run")
        return found is None or not found.RUNNING

    def read(self, name: str = "ReadMatte") -> Any:
        return self.node.node(name)

    @property
    def version(self) -> Path:
        """The folder that the inner Read plays."""
        return Path(self.read()["file"].value()).parent

    @property
    def folder(self) -> Path:
        return self.version.parents[1]

    def keys_rendered(self) -> list[int]:
        return [frame for source, frames, _, _ in self.nuke.STATE.executed if source == "Trimap" for frame in frames]


def seated(nuke: Any, shot: Shot, connection: Path | str) -> Artist:
    """Build the script of an artist."""
    source = nuke.nodes.Read()
    for name, value in (("file", shot.plate), ("first", shot.frames[0]), ("last", shot.frames[-1])):
        source[name].setValue(value)
    roto = nuke.nodes.Roto()
    node = nuke.createNode("VideoMatte")
    artist = Artist(nuke, shot, node, source, roto)

    def painted(frame: int, view: str) -> Picture:
        artist.painted.append(frame)
        found = trimap(shot.truth[frame])
        return made(lambda _, x, y: float(found[y, x]), display=SIZE)

    roto._picture = painted
    for index, above in enumerate((source, roto)):
        node.setInput(index, above)
    for name, value in (("first", shot.frames[0]), ("last", shot.frames[-1]), ("connection", str(connection))):
        node[name].setValue(value)
    nuke.STATE.steps.clear()
    nuke.STATE.changed = False
    return artist


def stubs() -> Path:
    """Return the folder of types-nuke; skip the test when there is none."""
    found = [Path(p) for p in (os.environ.get("NUKE_STUBS"), Path(sysconfig.get_paths()["purelib"]) / "nuke-stubs") if p]
    for folder in found:
        if (folder / "_nuke.pyi").is_file():
            return folder
    pytest.skip("types-nuke is not installed, and NUKE_STUBS does not name its folder")


def interpreter(version: str) -> Path:
    """Return a Python of this version; skip the test when there is none."""
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for python in [*installed, *(Path(path) for path in [shutil.which(f"python{version}")] if path)]:
        code = f"import sys; sys.exit(sys.version_info[:2] != ({version.replace('.', ',')}))"
        if subprocess.run([python, "-c", code]).returncode == 0:
            return python
    pytest.skip(f"there is no Python {version} here")
