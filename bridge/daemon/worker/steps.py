"""The steps of a job, done on this worker's device."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bridge import exr
from bridge.shot.plan import Plan, planned
from bridge.shot.profile import profile_named
from bridge.shot.request import request_of
from bridge.shot.segments import Segment
from bridge.solve import events
from bridge.solve.devices import devices
from bridge.solve.engine import engine_for, prepare
from bridge.solve.preview import preview
from bridge.solve.run import Solver, begin
from bridge.solve.scratch import Scratch
from bridge.solve.weights import Networks, load_networks
from bridge.version import VERSION
from bridge.wire.description import Description
from bridge.wire.pixels import SharedPixels

from .. import link
from ..memory import resident
from ..pictures import put
from ..tasks import Kind, Part, Task
from .budget import keep_within

JOBS_KEPT = 4  # plans in memory; one that is needed again is made again
Say = Callable[[link.Said], None]
Between = Callable[[], bool]
Result = tuple[tuple[str, ...], dict[str, Any]]


class DroppedError(Exception):
    """The task in work is no longer wanted."""


@dataclass
class Open:
    """A job that this worker is at: its plan and what solves it."""

    plan: Plan
    solver: Solver


class Desk:
    """Everything a worker needs for its tasks: device, networks, and the jobs it knows."""

    def __init__(self, device: str, *, memory: int, shared: Path | None) -> None:
        """memory: bytes that may be used, 0 for no limit. Raises DeviceError."""
        self._engine = engine_for(device)
        prepare(self._engine)
        exr.set_threads(max(1, self._engine.threads // 2))
        keep_within(memory, device=self._engine.torch_device)
        self._shared = shared
        self._networks: Networks = load_networks(self._engine.torch_device)
        self._open: OrderedDict[str, Open] = OrderedDict()

    def ready(self) -> link.Ready:
        """Tell what this worker computes with."""
        here = [d for d in devices() if d.name.split(":")[0] == self._engine.torch_device.type]
        own = next((d for d in here if d.name == self._engine.device), here[0])
        return link.Ready(self._engine.device, own.make, own.memory, tuple(d.name for d in here if d.name != own.name))

    def memory(self) -> tuple[int, int]:
        """Return the bytes this process holds, and those it holds on its device."""
        own = resident()
        return own, torch.cuda.memory_reserved(self._engine.torch_device) if self._engine.torch_device.type == "cuda" else own

    def perform(self, task: Task, order: link.Order, *, say: Say, between: Between) -> Result:
        """Do a task and return notes and facts. Raises VideoMatteError, DroppedError."""
        match task.kind:
            case Kind.UNDERSTAND:
                return self._understand(task, order, say)
            case Kind.PROPAGATE:
                return self._propagate(task, order, say, between)
            case Kind.MATTE:
                return self._matte(task, order, say, between)
            case Kind.PUBLISH:
                return (), {}
            case Kind.PREVIEW:
                return self._preview(task, order)

    def _understand(self, task: Task, order: link.Order, say: Say) -> Result:
        self._open.pop(task.job, None)
        job = self._job(task.job, order)
        todo, kept = begin(job.plan, self._engine, tell=ignore)
        parts = tuple(Part(p.before, p.after, p.frames) for p in job.solver.passes(todo)) if todo else ()
        files = {output.name: str(output.files) for output in job.plan.outputs}
        say(link.Understood(task.number, parts, tuple(todo), kept, job.plan.missing, files))
        return (), {}

    def _propagate(self, task: Task, order: link.Order, say: Say, between: Between) -> Result:
        assert task.part is not None

        def tell(event: events.Event) -> None:
            if isinstance(event, events.Advanced):
                say(link.Advanced(task.number, event.stage, event.frame))

        part = Segment(task.part.before, task.part.after, task.part.frames)
        self._job(task.job, order).solver.propagate(part, tell=tell, between=between)
        return (), {}

    def _matte(self, task: Task, order: link.Order, say: Say, between: Between) -> Result:
        def tell(event: events.Event) -> None:
            if isinstance(event, events.Landed):
                say(link.Landed(task.number, event.frame, tuple(str(f) for f in event.files)))

        self._job(task.job, order).solver.matte(task.frames, tell=tell, between=between)
        return (), {}

    def _preview(self, task: Task, order: link.Order) -> Result:
        """Solve one frame and put it where it is wanted: into shared memory, or into a file."""
        asked, frame = order.preview, int(order.preview["frame"])
        plan = self._job(task.job, order).plan
        profile = profile_named(asked["profile"])
        plate, alpha = preview(plan, frame, profile=profile, engine=self._engine, networks=self._networks)
        header = plate.header
        if asked.get("into"):
            room = SharedPixels(**{**asked["into"], "shape": tuple(asked["into"]["shape"])})
            put(alpha, room, data=header.data_window, display=header.display_window, shared=self._shared)
        else:
            facts = {"kind": "preview", "profile": profile.name, "version": VERSION}
            exr.write_matte(Path(asked["path"]), alpha, like=header, channels="rgba", depth="float", attributes=facts)
        windows = {"data_window": header.data_window, "display_window": header.display_window}
        return (), {"frame": frame, **{name: [w.x0, w.y0, w.x1, w.y1] for name, w in windows.items()}}

    def _job(self, name: str, order: link.Order) -> Open:
        """Return a job that is known here, or make it known. Raises InputError, UsageError."""
        if name not in self._open:
            plan = planned(request_of(Description(**order.description)))
            scratch = Scratch(folder=Path(order.scratch))
            scratch.__enter__()
            self._open[name] = Open(plan, Solver(plan, engine=self._engine, networks=self._networks, scratch=scratch))
            while len(self._open) > JOBS_KEPT:
                self._open.popitem(last=False)
        self._open.move_to_end(name)
        return self._open[name]


def ignore(_event: events.Event) -> None:
    """Hear an event and do nothing."""
