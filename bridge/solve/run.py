"""Solve what a request asks for: propagate what is needed, matte what is asked for, write what is not there yet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from bridge import exr
from bridge.shot.outputs import make_ready, to_do, warn_of_missing
from bridge.shot.plan import Plan, planned
from bridge.shot.request import Request
from bridge.shot.segments import Segment, matted_from
from bridge.wire.errors import SequenceError, ShotError

from . import writer
from .engine import Engine, engine_for, prepare
from .events import Advanced, Began, Event, Landed, Summary
from .flow import Behind
from .matte import Matter
from .propagate import Propagator
from .scratch import Scratch
from .trimaps import LandedTrimaps, ScratchTrimaps, Trimaps
from .weights import Networks, load_networks

log = logging.getLogger(__name__)
Tell = Callable[[Event], None]
Between = Callable[[], bool]


def go_on() -> bool:
    """Do nothing between frames."""
    return True


def solve(request: Request, *, tell: Tell) -> Summary:
    """Solve a request and return what it came to; `tell` hears what happens.

    Frames whose files carry the same content key are kept. Raises VideoMatteError and nothing else that an artist can cause.
    """
    begun = time.monotonic()
    engine, plan = engine_for(request.device), planned(request)
    todo, kept = begin(plan, engine, tell=tell)
    if todo:
        with Scratch() as scratch:
            prepare(engine)
            exr.set_threads(max(1, engine.threads // 2))
            solver = Solver(plan, engine=engine, networks=load_networks(engine.torch_device), scratch=scratch)
            passes = solver.passes(todo)
            total = sum(frames_of(part) for part in passes)
            done = 0
            for part in passes:
                solver.propagate(part, tell=tell, done=done, total=total)
                done += frames_of(part)
            solver.matte(todo, tell=tell, total=len(todo))
    return Summary(tuple(todo), kept, plan.missing, time.monotonic() - begun)


def begin(plan: Plan, engine: Engine, *, tell: Tell) -> tuple[list[int], tuple[int, ...]]:
    """Make the folders ready and return the frames to solve and those that are kept. Raises StorageError, ForeignFileError."""
    make_ready(plan.outputs)
    todo = to_do(writer.asked_for(plan), plan.wanted, overwrite=plan.request.overwrite)
    kept = tuple(sorted(set(plan.wanted) - set(todo)))
    tell(Began(plan.wanted, kept, tuple(plan.keys), plan.missing, engine.device, engine.precision, plan.plates.space.name))
    return todo, kept


def frames_of(part: Segment) -> int:
    """Return how many frames are walked when a segment is propagated: a span counts each of its two passes."""
    return len(part.frames) * len(part.keys)


class Solver:
    """A plan in the hands of one engine: the two kinds of task, each of which may be done again, in parts, or by another process."""

    def __init__(self, plan: Plan, *, engine: Engine, networks: Networks, scratch: Scratch) -> None:
        """scratch: where the first of two passes waits, and trimaps when they are not kept in a shot folder."""
        self._plan, self._engine, self._networks, self._scratch = plan, engine, networks, scratch
        self.trimaps = self._store()

    def passes(self, todo: Sequence[int]) -> list[Segment]:
        """Return what must be propagated before `todo` can be matted, and see to it that the keys' own trimaps are there."""
        for frame in sorted(matted_from(todo, set(self._plan.plates.frames))):
            if frame in self._plan.keys:
                self._land_key(frame)
        return self._plan.passes(list(todo), kept=self.trimaps.__contains__)

    def propagate(self, part: Segment, *, tell: Tell, between: Between = go_on, done: int = 0, total: int = 0) -> None:
        """Do a propagate task; `done` frames of `total` were walked before. `between` is called after each frame, to do other work.

        Raises ImageError, WindowError, StorageError, ShotError when the plan cuts the shot otherwise.
        """
        if not self._plan.has(part):
            raise ShotError(
                f"The {part.name} is no segment any more: a key or a plate came or went since the solve began.",
                remedy="Solve again; what is finished is kept.",
            )
        log.info("propagate %s: %d frames", part.name, len(part.frames))
        for key in part.keys:
            self._land_key(key)
        count, total = done, total or frames_of(part)

        def tick(frame: int) -> None:
            nonlocal count
            count += 1
            tell(Advanced("propagate", frame, count, total))
            between()

        plan = self._plan
        propagator = Propagator(
            self._networks.propagation, engine=self._engine, profile=plan.profile, plates=plan.plates, trimaps=self.trimaps
        )
        propagator.propagate(part, scratch=self._scratch, tick=tick)

    def matte(self, frames: Sequence[int], *, tell: Tell, between: Between = go_on, total: int = 0) -> None:
        """Do a matte task: solve and write frames whose trimaps are there.

        `tell` hears from the thread that writes; `between` is called in this one after each frame, to do other work, and ends the task
        early by returning False. Raises SequenceError, ImageError, WindowError, StorageError, ShotError when a trimap is not there.
        """
        plan, count, total = self._plan, 0, total or len(frames)
        present = frozenset(plan.plates.frames)
        if gone := sorted(set(frames) - present):
            raise SequenceError(warn_of_missing(plan.request.plate, gone) + ".", remedy="Render them again, or solve what exists.")
        matter = Matter(
            self._networks.matting,
            steadying=self._networks.steadying,
            engine=self._engine,
            profile=plan.profile,
            plates=plan.plates,
            trimaps=self.trimaps,
        )
        hand = writer.Writer(plan, engine=self._engine, trimaps=self.trimaps)

        def land(solved: writer.Solved) -> None:
            nonlocal count
            files = hand.write(*solved)
            count += 1
            tell(Landed(solved[0].frame, files))
            tell(Advanced("matte", solved[0].frame, count, total))

        with Behind(land, depth=1) as behind, closing(matter.mattes(frames, present=present)) as mattes:
            for solved in mattes:
                behind.put(solved)
                if not between():
                    break

    def _store(self) -> Trimaps:
        landed = writer.kept_trimaps(self._plan)
        if landed is None:
            return ScratchTrimaps(self._scratch, name=self._plan.content.trimap)
        return LandedTrimaps(landed, self._plan.plates, attributes=writer.provenance(self._plan, self._engine, "trimap"))

    def _land_key(self, frame: int) -> None:
        if frame not in self.trimaps:
            plan = self._plan
            self.trimaps.land(frame, plan.key_classes(frame))
