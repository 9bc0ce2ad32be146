"""Solve a shot folder: what is stale and not locked, into the shot's next version."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bridge import exr
from bridge.shot.folder import Shot
from bridge.shot.work import Work

from .engine import Engine, engine_for, prepare
from .events import Began, Event, Summary
from .run import Solver, frames_of
from .scratch import Scratch
from .weights import load_networks

Tell = Callable[[Event], None]


@dataclass(frozen=True)
class ShotSummary:
    """What a solve of a shot folder came to. `version`: the folder that was published, None when nothing changed.

    `stale_locked`: locked frames that a solve would give anew were they not locked.
    """

    summary: Summary
    version: Path | None
    stale_locked: tuple[int, ...] = ()


def solve_shot(
    shot: Shot, *, tell: Tell, frames: tuple[int, ...] | None = None, device: str = "auto", overwrite: bool = False
) -> ShotSummary:
    """Solve a shot, or some frames of it, and publish what changed; `tell` hears what happens.

    What an interrupted solve left is gone on with. Raises VideoMatteError and nothing else that an artist can cause.
    """
    begun = time.monotonic()
    engine = engine_for(device)
    with Work.begin(shot, frames=frames, device=device, overwrite=overwrite) as work, work.failures_kept():
        plan, stale_locked = work.plan, work.stale_locked
        kept = tuple(f for f in work.kept if f not in stale_locked)
        tell(Began(plan.wanted, kept, tuple(plan.keys), plan.missing, engine.device, engine.precision, plan.plates.space.name))
        if work.todo:
            _solve(work, engine, tell=tell)
        summary = Summary(tuple(work.todo), kept, plan.missing, time.monotonic() - begun)
        return ShotSummary(summary, work.publish(), stale_locked)


def _solve(work: Work, engine: Engine, *, tell: Tell) -> None:
    with Scratch() as scratch:
        prepare(engine)
        exr.set_threads(max(1, engine.threads // 2))
        solver = Solver(work.plan, engine=engine, networks=load_networks(engine.torch_device), scratch=scratch)
        passes = solver.passes(work.todo)
        total, done = sum(frames_of(part) for part in passes), 0
        for part in passes:
            solver.propagate(part, tell=tell, done=done, total=total)
            done += frames_of(part)
        solver.matte(work.todo, tell=tell, total=len(work.todo))
