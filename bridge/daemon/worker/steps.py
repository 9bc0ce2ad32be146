"""The steps of a job, done on this worker's device."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bridge import exr
from bridge.sequence import parse_range
from bridge.shot.folder import TRIMAP, Shot
from bridge.shot.hold import Holder
from bridge.shot.plan import Plan, planned
from bridge.shot.profile import profile_named
from bridge.shot.request import request_of
from bridge.shot.segments import Segment
from bridge.shot.work import Places, Work, plan_of, request_for
from bridge.solve import events
from bridge.solve.devices import devices
from bridge.solve.engine import engine_for, prepare
from bridge.solve.preview import preview
from bridge.solve.run import Solver, begin
from bridge.solve.scratch import Scratch
from bridge.solve.weights import Networks, load_networks
from bridge.version import VERSION
from bridge.wire.description import Description
from bridge.wire.mapping import PathMap
from bridge.wire.pixels import SharedPixels
from bridge.wire.shared import SharedFiles

from .. import link
from ..guard import Guard
from ..memory import resident
from ..pictures import put
from ..tasks import Kind, Part, Task
from .budget import keep_within
from .notes import notes

PATIENCE = 2.0  # seconds in which the front lets go of what an earlier job of the shot left claimed
JOBS_KEPT = 16  # plans in memory; one that is needed again is made again
Say = Callable[[link.Said], None]
Between = Callable[[], bool]
Result = tuple[tuple[str, ...], dict[str, Any]]


class DroppedError(Exception):
    """The task in work is no longer wanted."""


@dataclass
class Open:
    """A job that this worker is at: its plan, what solves it, and the claim on its shot folder if it has one."""

    plan: Plan
    solver: Solver
    work: Work | None

    @contextmanager
    def failures_kept(self) -> Iterator[None]:
        """Keep in the shot folder which frame failed and why."""
        with self.work.failures_kept() if self.work is not None else nullcontext():
            yield


class Desk:
    """Everything a worker needs for its tasks: device, networks, and the jobs it knows."""

    def __init__(self, device: str, *, memory: int, shared: Path | None) -> None:
        """memory: bytes that may be used, 0 for no limit. Raises DeviceError."""
        self._engine = engine_for(device)
        prepare(self._engine)
        exr.set_threads(max(1, self._engine.threads // 2))
        keep_within(memory, device=self._engine.torch_device)
        self._shared = SharedFiles(shared) if shared is not None else None
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
        """Do a task and return notes and facts. Raises VideoMatteError, DroppedError; then the job is forgotten here.

        Its claim stays: another worker may still be at a frame. The front lets go of it when none is.
        """
        with notes() as said:
            try:
                judge(order)
                facts = self._perform(task, order, say, between)
            except BaseException:
                self._forget(task.job)
                raise
        return tuple(said), facts

    def _perform(self, task: Task, order: link.Order, say: Say, between: Between) -> dict[str, Any]:
        match task.kind:
            case Kind.UNDERSTAND:
                self._understand(task, order, say)
            case Kind.PROPAGATE:
                self._propagate(task, order, say, between)
            case Kind.MATTE:
                self._matte(task, order, say, between)
            case Kind.PUBLISH:
                return self._publish(task, order)
            case Kind.PREVIEW:
                return self._preview(task, order)
        return {}

    def _understand(self, task: Task, order: link.Order, say: Say) -> None:
        self._forget(task.job)
        job = self._job(task.job, order)
        todo = job.work.todo if job.work is not None else begin(job.plan, self._engine, tell=ignore)[0]
        parts = tuple(Part(p.before, p.after, p.frames) for p in job.solver.passes(todo)) if todo else ()
        kept = tuple(sorted(set(job.plan.wanted) - set(todo)))
        files = {output.name: str(output.files) for output in job.plan.outputs}
        say(link.Understood(task.number, parts, tuple(todo), kept, job.plan.missing, files))

    def _propagate(self, task: Task, order: link.Order, say: Say, between: Between) -> None:
        assert task.part is not None

        def tell(event: events.Event) -> None:
            if isinstance(event, events.Advanced):
                say(link.Advanced(task.number, event.stage, event.frame))

        job = self._job(task.job, order)
        with job.failures_kept():
            job.solver.propagate(Segment(task.part.before, task.part.after, task.part.frames), tell=tell, between=between)

    def _matte(self, task: Task, order: link.Order, say: Say, between: Between) -> None:
        def tell(event: events.Event) -> None:
            if isinstance(event, events.Landed):
                say(link.Landed(task.number, event.frame, tuple(str(f) for f in event.files)))

        job = self._job(task.job, order)
        with job.failures_kept():
            job.solver.matte(task.frames, tell=tell, between=between)

    def _publish(self, task: Task, order: link.Order) -> dict[str, Any]:
        """Make what was solved the newest version of a shot folder and let go of it."""
        job = self._job(task.job, order)
        assert job.work is not None
        published = job.work.publish()
        job.work.release()
        self._forget(task.job)
        newest = Places.newest(job.work.shot.folder)
        files = {"matte": str(newest.alpha), "trimap": str(job.work.shot.folder / TRIMAP)}
        if job.plan.request.foreground is not None:
            files["foreground"] = str(newest.foreground)
        return {"version": str(published or newest.alpha.folder), "files": files}

    def _preview(self, task: Task, order: link.Order) -> dict[str, Any]:
        """Solve one frame and put it where it is wanted: into shared memory, or into a file."""
        asked, frame = order.preview, int(order.preview["frame"])
        plan = previewed(order)
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
        return {"frame": frame, **{name: [w.x0, w.y0, w.x1, w.y1] for name, w in windows.items()}}

    def _job(self, name: str, order: link.Order) -> Open:
        """Return a job that is known here, or make it known. Raises InputError, UsageError; StorageError when others solve its shot."""
        if name not in self._open:
            work = _begun(name, order)
            plan = work.plan if work is not None else planned(request_of(_described(order)))
            scratch = Scratch(folder=Path(order.scratch))
            scratch.__enter__()
            self._open[name] = Open(plan, Solver(plan, engine=self._engine, networks=self._networks, scratch=scratch), work)
            while len(self._open) > JOBS_KEPT:
                self._forget(next(iter(self._open)))
        self._open.move_to_end(name)
        return self._open[name]

    def _forget(self, name: str) -> None:
        job = self._open.pop(name, None)
        if job is not None and job.work is not None:
            job.work.leave()


def judge(order: link.Order) -> None:
    """Judge again what the job of a client with a key means: links may have changed while it waited. Raises NotAllowedError."""
    folders = None if order.folders is None else tuple(Path(os.path.realpath(folder)) for folder in order.folders)
    Guard(PathMap(()), folders).shot(order.folder, _described(order))


def previewed(order: link.Order) -> Plan:
    """Return the plan of a shot of which a frame is previewed; nothing is claimed and nothing changed."""
    if order.folder is None:
        return planned(request_of(_described(order)))
    shot = Shot.open(order.folder)
    return plan_of(shot, request_for(shot, into=Places.newest(shot.folder)))


def _begun(name: str, order: link.Order) -> Work | None:
    """Claim the shot folder of a job in the daemon's name, so that any of its workers may go on with it."""
    if order.folder is None:
        return None
    said = _described(order)
    frames = parse_range(said.frames) if said.frames else None
    holder = Holder.of(pid=os.getppid(), token=name)
    shot = Shot.open(order.folder)
    return Work.begin(shot, frames=frames, device=said.device, overwrite=said.overwrite, holder=holder, patience=PATIENCE)


def _described(order: link.Order) -> Description:
    return Description(**order.description)


def ignore(_event: events.Event) -> None:
    """Hear an event and do nothing."""
