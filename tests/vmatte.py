"""Shot folders for tests: begun from tiny shots, and solved without a network where only the files matter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from shots import Shot as Painted
from shots import make_shot, number

from bridge import exr
from bridge.shot.folder import Shot
from bridge.shot.outputs import CONTENT, State
from bridge.shot.work import Work, results_of
from bridge.wire.description import Description

WIDTH, HEIGHT = 48, 32
WRITES = ("replace", "rename", "link", "unlink", "mkdir", "rmdir", "fsync")


def painted(folder: Path, *, frames: int = 9, keys: tuple[int, ...] = (1, 3, 5, 7, 9)) -> Painted:
    """Write a tiny shot whose frames count from 1."""
    return make_shot(folder, frames=frames, first=1, keys=keys, width=WIDTH, height=HEIGHT)


def begun(shot: Painted, folder: Path, **choices: object) -> Shot:
    """Begin a shot folder with the plates and keys of a tiny shot."""
    return Shot.create(folder, Description(plate=shot.plate, trimap=shot.keys, **choices))  # type: ignore[arg-type]


def file(pattern: str, frame: int) -> Path:
    return Path(pattern.replace("####", number(frame)))


def land(work: Work, frames: Iterable[int] | None = None, *, value: float = 0.5, sure: Mapping[int, float] | None = None) -> None:
    """Write what a solver would, with flat pixels: trimaps of the whole shot, results of `frames` or of all that are to do.

    sure: the confidence of frames, 0.9 where it does not say.
    """
    plan = work.plan
    trimap = next(o for o in plan.outputs if o.name == "trimap")
    for frame in plan.plates.frames:
        if trimap.state(frame) is not State.CURRENT:
            facts = {CONTENT: trimap.key(frame), "confidence": f"{1.0 if frame in plan.keys else (sure or {}).get(frame, 0.9):.3f}"}
            exr.write_trimap(trimap.files.path(frame), _flat(0.5), like=plan.plates.header(frame), attributes=facts)
    for frame in work.todo if frames is None else frames:
        for output in results_of(plan):
            like, facts = plan.plates.header(frame), {CONTENT: output.key(frame)}
            exr.write_matte(output.files.path(frame), _flat(value), like=like, attributes=facts)


def solve_flat(shot: Shot, *, value: float = 0.5, frames: tuple[int, ...] | None = None) -> tuple[list[int], Path | None]:
    """Solve a shot without a network; return the frames that were solved and the version."""
    with Work.begin(shot, frames=frames) as work:
        land(work, value=value)
        return work.todo, work.publish()


def _flat(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.full((HEIGHT, WIDTH), value, np.float32)


def inodes(folder: Path) -> dict[str, int]:
    """Return the inode of every file in a folder that is not hidden."""
    return {p.name: p.stat().st_ino for p in sorted(folder.iterdir()) if not p.name.startswith(".")}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder that is not hidden."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if not p.name.startswith(".")}


class KilledError(BaseException):
    """The process is gone: nothing it would still do is done."""


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


class Killer:
    """Ends a process at its n-th write, and lets it do nothing more."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def around(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            self.count += 1
            if self.count > self.at:
                raise KilledError
            return real(*given, **named)

        return call


@contextmanager
def killed(at: int, *, pid: int) -> Iterator[Killer]:
    """Be a process of number `pid` that is killed at its write number `at`; give the count of its writes."""
    with pytest.MonkeyPatch.context() as patched:
        killer = Killer(at)
        for name in WRITES:
            patched.setattr(os, name, killer.around(getattr(os, name)))
        patched.setattr(os, "getpid", lambda: pid)
        with suppress(KilledError):
            yield killer
