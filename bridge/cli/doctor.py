"""`videomatte doctor`: what is installed, what can compute, what would be slow and why, and what is broken."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from bridge.failures import log_folder, logged
from bridge.version import VERSION
from bridge.wire.errors import ResourceError, VideoMatteError

from . import arguments as read
from .console import Console
from .interruption import Stop

LITTLE_SPACE, LITTLE_MEMORY, FEW_CORES = 2e9, 6e9, 4
PACKAGES = {
    "torch": "bridge.solve.devices",
    "numpy": "bridge.imaging.trimap",
    "opencv-python-headless": "bridge.imaging.trimap",
    "OpenImageIO": "bridge.exr",
    "fileseq": "bridge.sequence",
    "safetensors": "bridge.solve.weights",
    "pyzmq": "zmq",
    "msgpack": "msgpack",
    "rich": "rich",
    "platformdirs": "platformdirs",
}


class Verdict(Enum):
    """How a finding bears on a solve."""

    GOOD = "good"
    """As it should be."""
    SLOW = "slow"
    """A solve works, and would be slow or may run short."""
    BROKEN = "broken"
    """A solve would not work."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it is, how it is, and what that means."""

    subject: str
    value: str
    verdict: Verdict = Verdict.GOOD
    meaning: str = ""


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("doctor", help="say what works here and what would be slow", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_json()


def run(_typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Look at everything and say it. Raises ResourceError when a solve would not work."""
    found: list[Finding] = []
    for finding in findings():
        stop.check()
        found.append(finding)
        console.data({**asdict(finding), "verdict": finding.verdict.value}) if console.as_json else None
    if not console.as_json:
        from .tables import rendered

        console.say(rendered(("", "", "", "what it means"), [(f.subject, f.value, f.verdict.value, f.meaning) for f in found], left=4))
    broken = [f for f in found if f.verdict is Verdict.BROKEN]
    if broken:
        raise ResourceError(f"A solve would not work here: {', '.join(f.subject for f in broken)}.", remedy=broken[0].meaning)
    console.say("A solve works here.")


def findings() -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield Finding("videomatte", VERSION)
    yield Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from map(_package, PACKAGES)
    yield from _devices()
    yield from _weights()
    yield _space()
    yield _folder("log folder", log_folder())
    yield _daemon()


def _daemon() -> Finding:
    """Say whether a daemon answers; a solve needs none."""
    from bridge.launch import answering

    try:
        state = answering()
    except VideoMatteError as error:
        return Finding("daemon", "cannot be asked", Verdict.SLOW, f"{error.message} {error.remedy}".strip())
    if state is None:
        return Finding("daemon", "not running", Verdict.GOOD, "`videomatte serve` starts it; hosts and `submit` need it, a solve does not.")
    told = f"answers: process {state.pid}, version {state.version}"
    if state.version != VERSION:
        return Finding("daemon", told, Verdict.SLOW, "It is another version than this: stop it and start it again.")
    return Finding("daemon", told)


def _package(name: str) -> Finding:
    """Import what needs a package, because an installed one may still not load."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = "not installed"
    try:
        importlib.import_module(PACKAGES[name])
    except Exception as error:
        logged(error)
        said = (str(error).splitlines() or [type(error).__name__])[0]
        return Finding(name, version, Verdict.BROKEN, f"It cannot be loaded: {said[:160]}. Install videomatte again.")
    return Finding(name, version)


def _devices() -> Iterator[Finding]:
    try:
        from bridge.solve.devices import devices
        from bridge.solve.engine import engine_for

        found, chosen = devices(), engine_for()
    except Exception as error:
        logged(error)
        yield Finding("devices", type(error).__name__, Verdict.BROKEN, f"No device answers: {str(error)[:160]}")
        return
    for device in found:
        memory = f"{device.memory / 1e9:.0f} GB memory, {device.free / 1e9:.0f} GB free" if device.memory else ""
        cores = f"{os.cpu_count()} cores, {device.threads} threads compute" if device.threads else ""
        yield Finding(device.name, ", ".join(filter(None, (device.make, memory, cores, "bfloat16" if device.bfloat16 else ""))))
    cpu = found[0]
    if len(found) == 1:
        yield Finding("graphics card", "none that CUDA shows", Verdict.SLOW, "A solve runs on the CPU, many times slower than on a card.")
        if not cpu.bfloat16:
            yield Finding("bfloat16", "not in this CPU", Verdict.SLOW, "The networks run in float32, about half as fast.")
        if cpu.threads < FEW_CORES:
            yield Finding("cores", str(cpu.threads), Verdict.SLOW, f"Fewer than {FEW_CORES}: expect about a frame a second at 1920×1080.")
    if cpu.free and cpu.free < LITTLE_MEMORY:
        yield Finding("memory", f"{cpu.free / 1e9:.1f} GB free", Verdict.SLOW, "3840×2160 may need up to 6 GB: close other programs.")
    yield Finding("a solve uses", f"{chosen.device}, {chosen.precision}, {chosen.threads} threads")


def _weights() -> Iterator[Finding]:
    from bridge.shipped import models

    try:
        found = models()
    except (VideoMatteError, ImportError, KeyError) as error:
        said = error.message if isinstance(error, VideoMatteError) else f"{type(error).__name__}: {error}"
        yield Finding("weights", "not readable", Verdict.BROKEN, f"{said} Install videomatte again.")
        return
    for model in found:
        verdict = Verdict.BROKEN if model.problem else Verdict.GOOD
        yield Finding(f"weights of {model.stage}", f"{model.file}, {model.bytes / 1e6:.1f} MB, {model.sha256[:12]}", verdict, model.problem)


def _space() -> Finding:
    folder = Path(tempfile.gettempdir())
    finding = _folder("scratch folder", folder)
    if finding.verdict is Verdict.BROKEN:
        return finding
    free = shutil.disk_usage(folder).free
    few = free < LITTLE_SPACE
    meaning = "Trimaps wait here between the stages: free some space, or set TMPDIR to a larger disk." if few else ""
    return Finding(finding.subject, f"{folder}, {free / 1e9:.0f} GB free", Verdict.SLOW if few else Verdict.GOOD, meaning)


def _folder(subject: str, folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        scratch = subject.startswith("scratch")
        verdict = Verdict.BROKEN if scratch else Verdict.SLOW
        meaning = "Set TMPDIR to a folder that can be written." if scratch else "Errors are logged in the temporary folder instead."
        return Finding(subject, f"{folder}: {error.strerror}", verdict, meaning)
    return Finding(subject, str(folder))
