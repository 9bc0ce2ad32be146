"""One task of a shot folder that several processes solve together, at once or on different machines.

The rules:
- Processes with the same token are one holder of the claim. It lies there from the first task to `publish`, and is touched while any of
  them lives; two minutes after the last it may be taken by others.
- What is done already is not done again, so any task may be repeated.
- A matte task finds the trimaps it needs on the disk, or ends with an error that says which segment is to be propagated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge import exr
from bridge.sequence import format_range
from bridge.shot.folder import Shot
from bridge.shot.hold import Holder
from bridge.shot.work import Work
from bridge.wire.errors import ShotError

from .engine import engine_for, prepare
from .events import Event
from .run import Solver, frames_of
from .scratch import Scratch
from .weights import load_networks

Tell = Callable[[Event], None]
FARM = "the farm"


def begin(shot: Shot, *, token: str, device: str = "auto") -> tuple[int, ...]:
    """Claim a shot for the tasks with this token and return the frames that are to be solved. Raises StorageError, InputError."""
    return tuple(_work(shot, token, device).todo)


def propagate(shot: Shot, frames: tuple[int, ...], *, token: str, tell: Tell, device: str = "auto") -> int:
    """Propagate what is needed of the segments that begin in these frames; return how many frames got a trimap.

    Raises StorageError, InputError.
    """
    with _solver(shot, token, device) as (work, solver):
        parts = [part for part in solver.passes(work.todo) if part.frames[0 if part.before is not None else -1] in frames]
        total = sum(map(frames_of, parts))
        for i, part in enumerate(parts):
            solver.propagate(part, tell=tell, done=sum(map(frames_of, parts[:i])), total=total)
        return sum(len(part.frames) for part in parts)


def matte(shot: Shot, frames: tuple[int, ...], *, token: str, tell: Tell, device: str = "auto") -> int:
    """Solve those of these frames that are to be solved; return how many. Raises ShotError when trimaps are missing, StorageError."""
    with _solver(shot, token, device) as (work, solver):
        todo = [frame for frame in work.todo if frame in frames]
        lacking = solver.passes(todo)
        if lacking:
            segments = ", ".join(part.name for part in lacking)
            remedy = f"Propagate it first: --frames {format_range(lacking[0].frames)}"
            raise ShotError(f"{shot.folder}: the trimaps of the {segments} are missing.", remedy=remedy, file=str(shot.folder))
        if todo:
            solver.matte(todo, tell=tell, total=len(todo))
        return len(todo)


def publish(shot: Shot, *, token: str) -> Path | None:
    """Make what was solved the newest version, let go of the shot, and return the version's folder; None when nothing changed.

    Raises ShotError when frames are still to be solved, StorageError.
    """
    work = _work(shot, token, "auto")
    if work.todo:
        text = format_range(work.todo)
        raise ShotError(f"{shot.folder}: the frames {text} are not solved yet.", remedy=f"Solve them first: --frames {text}")
    with work:
        return work.publish()


def _work(shot: Shot, token: str, device: str) -> Work:
    """Return the solve in work, claimed in the name of all that have the token. It is left claimed."""
    return Work.begin(shot, device=device, holder=Holder(host=FARM, pid=0, token=token))


@contextmanager
def _solver(shot: Shot, token: str, device: str) -> Iterator[tuple[Work, Solver]]:
    work = _work(shot, token, device)
    engine = engine_for(device)
    prepare(engine)
    exr.set_threads(max(1, engine.threads // 2))
    with Scratch() as scratch, work.failures_kept():
        yield work, Solver(work.plan, engine=engine, networks=load_networks(engine.torch_device), scratch=scratch)
