"""Real Blenders for tests: the `bpy` wheels, each in an environment of its own in the cache, playing scenes in a process of their own.

VIDEOMATTE_BPY names Pythons that have bpy, pyzmq and msgpack already: `4.5=/envs/4.5/bin/python;5.2=…`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.install import blender as extension

ROOT = Path(__file__).resolve().parents[1]
STAGE = ROOT / "host_plugins" / "blender" / "tests" / "stage.py"
ANSWER = "scene played: "
PACKAGES = ("pyzmq==27.3.0", "msgpack==1.2.4")
WHEELS = {
    "4.5": ("3.11", "4.5.15"),
    "4.2": ("3.11", "4.2.23"),
    "5.0": ("3.11", "5.0.1"),
    "5.1": ("3.13", "5.1.2"),
    "5.2": ("3.13", "5.2.3"),
}
"""Blender's version, the Python that its wheel is for, and the wheel's version; the first that can be had is tried by default."""


@dataclass
class Blender:
    """A running Blender with the add-on in its profile."""

    process: subprocess.Popen[str]
    profile: Path
    version: tuple[int, ...] = ()

    def play(self, scene: str, **given: Any) -> Any:
        """Play a scene of host_plugins/blender/tests/scenes.py and return what it returns; its error fails the test."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"scene": scene, **given}, default=str) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def answer(self) -> dict[str, Any]:
        """Return the next answer; everything else that Blender prints is passed over."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                found: dict[str, Any] = json.loads(line[len(ANSWER) :])
                return found
            said.append(line)
        raise AssertionError(f"Blender ended with {self.process.wait(30)}:\n{''.join(said[-30:])}")


@contextmanager
def blender_in(folder: Path, python: Path) -> Iterator[Blender]:
    """Run a Blender whose profile is below a folder; it is gone when the context is left."""
    profile = folder / "profile"
    extension.assemble(profile / "extensions" / "user_default" / "videomatte")
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(profile), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "2"}
    environment.pop("PYTHONWARNINGS", None)
    kind: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen([str(python), str(STAGE), str(profile)], env=environment, **kind)
    try:
        blender = Blender(process, profile)
        blender.version = tuple(blender.answer()["version"])
        yield blender
    finally:
        process.kill()
        process.wait(30)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def asked_for() -> list[str]:
    """Return the versions to try: those that VIDEOMATTE_BLENDERS names, or the first that can be had."""
    named = os.environ.get("VIDEOMATTE_BLENDERS", "").split()
    return named or [next((version for version, (python, _) in WHEELS.items() if _given(version) or interpreter(python)), "4.5")]


def python_of(version: str) -> Path:
    """Return a Python that has this Blender, made in the cache where there is none. Skips the test where it cannot be had."""
    given = _given(version)
    if given is not None:
        return given
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "videomatte" / "bpy" / version
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "ready").exists():
        _make(home, python, version)
    return python


def interpreter(version: str) -> str | None:
    """Return the program of a Python version that starts."""
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))]
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        candidates.insert(0, getattr(sys, "_base_executable", sys.executable))
    return next((program for program in candidates if program and _starts(program)), None)


def _starts(program: str) -> bool:
    return subprocess.run([program, "-c", "import venv"], capture_output=True).returncode == 0


def _given(version: str) -> Path | None:
    pairs = (pair.split("=", 1) for pair in os.environ.get("VIDEOMATTE_BPY", "").split(";") if "=" in pair)
    return next((Path(path) for name, path in pairs if name.strip() == version), None)


def _make(home: Path, python: Path, version: str) -> None:
    wanted, wheel = WHEELS[version]
    program = interpreter(wanted)
    if program is None:
        pytest.skip(f"Blender {version} needs Python {wanted}, which is not here")
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([program, "-m", "venv", str(home)], check=True, capture_output=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    ran = subprocess.run([*pip, f"bpy=={wheel}", *PACKAGES], capture_output=True, text=True)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        pytest.skip(f"The wheel of Blender {wheel} cannot be had: {last}")
    (home / "ready").touch()
