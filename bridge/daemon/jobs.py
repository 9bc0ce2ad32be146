"""Every job: taken in, scheduled, followed, kept on disk and settled."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.sequence import format_range
from bridge.wire import messages as wire
from bridge.wire.errors import CancelledError, LimitError, ReplacedError, UnknownJobError, VideoMatteError, WorkerDiedError
from bridge.wire.values import JobFiles, JobState

from . import link, schedule
from .pool import Hired, Pool, how_it_ended
from .queue import Queue, Record
from .sessions import Peer
from .shots import Opened

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0


@dataclass
class Running:
    """What is known of a job beside its record while the daemon runs: how far each stage is, who follows it."""

    record: Record
    stage: str | None = None
    done: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    followers: list[tuple[Peer, int]] = field(default_factory=list)
    preview: Mapping[str, Any] | None = None
    answer: Callable[[Mapping[str, Any], Peer, int], None] | None = None
    client: str = ""
    begun: float = 0.0

    @property
    def id(self) -> str:
        return self.record.id


class Jobs:
    """The jobs of a daemon."""

    def __init__(self, queue: Queue, pool: Pool, plan: schedule.Schedule, *, scratch: Path, most: int) -> None:
        """scratch: the folder in which each job has one of its own while it is not settled; most: how many may wait."""
        self._queue, self._pool, self._schedule = queue, pool, plan
        self._scratch, self._most = scratch, most
        self._jobs: dict[str, Running] = {}
        self._ended: dict[str, Record] = {}
        self._tasks: dict[int, str] = {}
        self._released: set[str] = set()
        self.stopping = False

    # What clients ask

    def resume(self) -> int:
        """Take up the jobs that the last daemon left, oldest first; return how many."""
        for record in self._queue.records():
            if record.ended:
                self._ended[record.id] = record
            else:
                self._take_in(Running(replace(record, state="queued")))
        self._sweep()
        if not self._pool.hired:
            self._do(self._schedule.warmed())
        return len(self._jobs)

    def solve(self, shot: Opened, frames: str | None, *, peer: Peer, request: int) -> None:
        """Take in a solve and follow it. Raises LimitError, StorageError."""
        if sum(job.preview is None for job in self._jobs.values()) >= self._most:
            raise LimitError(f"{self._most} jobs are waiting.", remedy="Wait for some to end, or cancel some: videomatte jobs")
        description = replace(shot.description, frames=frames if frames is not None else shot.description.frames)
        record = Record(new_id(), shot.id, description, folder=shot.folder, created=time.time(), frames=frames)
        self._queue.put(record)
        job = Running(record, client=peer.session.client if peer.session else "")
        self._follow(job, peer, request)
        self._take_in(job)

    def preview(
        self, shot: Opened, *, order: Mapping[str, Any], answer: Callable[[Mapping[str, Any], Peer, int], None], peer: Peer, request: int
    ) -> None:
        """Take in a preview and follow it; `answer` makes the reply from what the worker tells."""
        record = Record(new_id(), shot.id, shot.description, folder=shot.folder, created=time.time())
        job = Running(record, preview=order, answer=answer, client=peer.session.client if peer.session else "")
        self._follow(job, peer, request)
        self._take_in(job, lane=f"{peer.session.token if peer.session else ''}/{shot.id}")

    def follow(self, name: str, *, peer: Peer, request: int) -> None:
        """Let somebody hear of a job; one that has ended ends at once. Raises UnknownJobError."""
        if name in self._jobs:
            self._follow(self._jobs[name], peer, request)
        elif name in self._ended:
            peer.say(wire.JobAccepted(name), request=request)
            self._tell_end(self._ended[name], peer, request)
        else:
            raise UnknownJobError(f"There is no job {name}.", remedy="`videomatte jobs --all` lists them.")

    def cancel(self, name: str) -> None:
        """Cancel a job. One that has ended stays as it ended. Raises UnknownJobError."""
        if name not in self._jobs and name not in self._ended:
            raise UnknownJobError(f"There is no job {name}.", remedy="`videomatte jobs` lists them.")
        self._do(self._schedule.cancelled(name))

    def states(self, *, ended: bool = False) -> tuple[JobState, ...]:
        """Return the jobs that wait or run, oldest first, and before them those that ended if wanted."""
        old = [self._state(record) for record in self._ended.values()] if ended else []
        return (*old, *(self._state(job.record, job) for job in self._jobs.values()))

    def of(self, shot: str) -> tuple[str, ...]:
        """Return the jobs of a shot that have not ended."""
        return tuple(name for name, job in self._jobs.items() if job.record.shot == shot)

    def at(self, worker: str) -> tuple[str, ...]:
        """Return the jobs a worker is at, the innermost last."""
        return self._schedule.busy().get(worker, ())

    def release(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """End the workers that are idle and have the others end when they are; return the devices of both."""
        idle = set(self._schedule.idle())
        done = [hired for name, hired in self._pool.hired.items() if name in idle]
        busy = [hired for name, hired in self._pool.hired.items() if name not in idle and hired.ready]
        for hired in done:
            self._let_go(hired)
        self._released |= {hired.name for hired in busy}
        return tuple(h.device for h in done), tuple(h.device for h in busy)

    def stop(self) -> bool:
        """Drop what workers are at, after the frame in work; return whether all of them are idle."""
        self.stopping = True
        for name, hired in self._pool.hired.items():
            for number in [n for n, job in self._tasks.items() if job in self._schedule.busy().get(name, ())]:
                self._pool.tell(hired.name, link.Drop(number))
        return not any(self._schedule.busy().values())

    # What workers say

    def said(self, worker: str, said: link.Said) -> None:
        """Hear a worker."""
        hired = self._pool.hired.get(worker)
        if hired is None:
            return
        hired.heard = time.monotonic()
        match said:
            case link.Ready():
                hired.device, hired.make, hired.memory = said.device, said.make, said.memory
                self._do(self._schedule.ready(worker, device=said.device, asked=hired.asked))
                self._hire_others(hired, said.others)
            case link.Beat():
                hired.resident, hired.used = said.resident, said.used
            case link.Understood():
                self._understood(worker, said)
            case link.Advanced() | link.Landed():
                self._progressed(said)
            case link.Finished():
                self._finished(worker, said)
            case link.Failed():
                self._tasks.pop(said.number, None)
                error = wire.Error(**said.error).exception()
                self._do(self._schedule.failed(worker, said.number, error, memory=said.memory))
        hired.idle_since = time.monotonic() if said.__class__ in (link.Ready, link.Finished, link.Failed) else hired.idle_since

    def gone(self, worker: str, status: int) -> None:
        """Learn that a worker process has ended."""
        hired = self._pool.forget(worker)
        if hired is None or self.stopping:
            return
        if hired.leaving is not None and worker not in self._schedule.busy():
            return
        failure = WorkerDiedError(
            f"The worker of {hired.device or hired.asked} died: {how_it_ended(status)}.",
            remedy="The daemon's log says more; --profile draft or --device cpu needs less memory.",
        )
        log.warning("%s", failure.message)
        if hired.ready:
            self._do(self._schedule.died(worker, failure))
        else:
            self._do(self._schedule.not_started(hired.asked, failure))

    def tick(self, now: float, *, idle_after: float) -> None:
        """Let time pass: turns end, idle workers give their devices back."""
        self._do(self._schedule.passed(now))
        idle = set(self._schedule.idle())
        for hired in list(self._pool.hired.values()):
            waited = now - hired.idle_since > idle_after
            if hired.name in idle and hired.leaving is None and (waited or hired.name in self._released):
                self._let_go(hired)
        self._pool.overdue()

    # How it is done

    def _take_in(self, job: Running, *, lane: str = "") -> None:
        self._jobs[job.id] = job
        record = job.record
        self._do(
            self._schedule.submitted(
                job.id,
                shot=record.shot,
                device=record.description.device,
                preview=job.preview is not None,
                lane=lane,
                publishes=record.folder is not None and job.preview is None,
            )
        )

    def _do(self, instructions: Iterable[schedule.Instruction]) -> None:
        for instruction in () if self.stopping else instructions:
            match instruction:
                case schedule.Do(worker, task):
                    self._tasks[task.number] = task.job
                    self._pool.tell(worker, link.Perform(task, self._order(self._jobs[task.job])))
                    self._began(self._jobs[task.job])
                case schedule.End(worker, task):
                    self._pool.tell(worker, link.EndTurn(task.number))
                case schedule.Stop(worker, task):
                    self._pool.tell(worker, link.Drop(task.number))
                case schedule.Start(device):
                    self._hire(device)
                case schedule.Settle(job, outcome, failure):
                    self._settle(job, outcome, failure)

    def _order(self, job: Running) -> link.Order:
        record = job.record
        return link.Order(asdict(record.description), record.folder, str(self._scratch / record.id), job.preview or {})

    def _began(self, job: Running) -> None:
        if job.record.state == "queued":
            job.begun = time.monotonic()
            self._keep(job, state="running")

    def _hire(self, device: str) -> None:
        try:
            self._pool.start(device)
        except OSError as error:
            failure = WorkerDiedError(f"No worker can be started for {device}: {error.strerror}.", remedy="Free some memory.")
            self._do(self._schedule.not_started(device, failure))

    def _hire_others(self, hired: Hired, others: tuple[str, ...]) -> None:
        """Start a worker on every other device of the kind that `auto` turned out to be."""
        known = {h.device or h.asked for h in self._pool.hired.values()}
        for device in others if hired.asked == schedule.AUTO else ():
            if device not in known:
                self._schedule.starting(device)
                self._hire(device)

    def _let_go(self, hired: Hired) -> None:
        self._schedule.retired(hired.name)
        self._released.discard(hired.name)
        self._pool.quit(hired.name)

    def _understood(self, worker: str, said: link.Understood) -> None:
        job = self._job_of(said.number)
        if job is None:
            self._do(self._schedule.understood(worker, said.number, parts=[], frames=()))
            return
        walked = sum(len(p.frames) * (2 if p.before is not None and p.after is not None else 1) for p in said.parts)
        job.total |= {"propagate": walked, "matte": len(said.frames)}
        facts: dict[str, Any] = {"files": dict(said.files), "notes": (*job.record.notes, *said.warnings)}
        if not job.record.understood:
            facts |= {"todo": said.frames, "kept": said.kept, "missing": said.missing, "understood": True}
        self._keep(job, **facts)
        self._do(self._schedule.understood(worker, said.number, parts=list(said.parts), frames=said.frames))

    def _progressed(self, said: link.Advanced | link.Landed) -> None:
        job = self._job_of(said.number)
        if job is None:
            return
        stage, files = ("matte", said.files) if isinstance(said, link.Landed) else (said.stage, ())
        job.stage = stage
        job.done[stage] = job.done.get(stage, 0) + 1
        if isinstance(said, link.Landed):
            self._schedule.landed(said.number, job.id, said.frame)
        done = job.done[stage]
        total = max(job.total.get(stage, 0), done)
        for peer, request in job.followers:
            shown = tuple(peer.session.path_map.to_client(f) for f in files) if peer.session else files
            peer.say(wire.Progress(job.id, stage, said.frame, done, total, shown), request=request)  # type: ignore[arg-type]

    def _finished(self, worker: str, said: link.Finished) -> None:
        job = self._job_of(said.number)
        self._tasks.pop(said.number, None)
        if job is not None:
            notes = tuple(n for n in said.notes if n not in job.record.notes)
            published = {name: said.result[name] for name in ("version", "files") if name in said.result}
            if notes or published:
                self._keep(job, notes=(*job.record.notes, *notes), **published)
            if job.answer is not None and said.result:
                for peer, request in job.followers:
                    job.answer(said.result, peer, request)
        self._do(self._schedule.finished(worker, said.number))

    def _job_of(self, number: int) -> Running | None:
        return self._jobs.get(self._tasks.get(number, ""))

    def _settle(self, name: str, outcome: str, failure: object) -> None:
        job = self._jobs.pop(name, None)
        if job is None:
            return
        error = _failure(name, outcome, failure)
        state = {"done": "done", "cancelled": "cancelled", "replaced": "cancelled"}.get(outcome, "failed")
        seconds = time.monotonic() - job.begun if job.begun else 0.0
        told = None if error is None else asdict(wire.Error.of(error))
        job.record = replace(job.record, state=state, seconds=seconds, error=told)
        log.info("job %s %s%s", name, outcome, f": {error.message}" if error else "")
        if job.preview is None:
            self._ended[name] = job.record
            self._queue.put(job.record)
        shutil.rmtree(self._scratch / name, ignore_errors=True)
        for peer, request in job.followers:
            if job.preview is None or error is not None:
                self._tell_end(job.record, peer, request, error=error)

    def _tell_end(self, record: Record, peer: Peer, request: int, *, error: VideoMatteError | None = None) -> None:
        if error is None and record.error is not None:
            error = wire.Error(**record.error).exception()
        if error is not None:
            peer.fail(error, request=request)
            return
        seen = peer.session.path_map.to_client if peer.session else str
        files = {("alpha" if what == "matte" else what): seen(pattern) for what, pattern in (record.files or {}).items()}
        solved, kept, missing = (format_range(frames) for frames in (record.todo, record.kept, record.missing))
        version = seen(record.version) if record.version else None
        result = wire.JobResult(record.id, solved, kept, missing, record.seconds, JobFiles(**files), record.notes, version)
        peer.say(result, request=request)

    def _follow(self, job: Running, peer: Peer, request: int) -> None:
        job.followers = [(p, r) for p, r in job.followers if not p.gone]
        job.followers.append((peer, request))
        peer.say(wire.JobAccepted(job.id), request=request)

    def _keep(self, job: Running, **facts: Any) -> None:
        job.record = replace(job.record, **facts)
        if job.preview is None:
            self._queue.put(job.record)

    def _state(self, record: Record, job: Running | None = None) -> JobState:
        stage = job.stage if job else None
        label = record.folder or record.description.out or record.description.plate or ""
        return JobState(
            job=record.id,
            shot=record.shot,
            what="preview" if job is not None and job.preview is not None else "solve",
            state=record.state,  # type: ignore[arg-type]
            stage=stage,  # type: ignore[arg-type]
            done=job.done.get(stage, 0) if job and stage else len(record.todo) if record.state == "done" else 0,
            total=job.total.get(stage, 0) if job and stage else len(record.todo),
            submitted=record.created,
            client=job.client if job else "",
            label=label,
            device=record.description.device,
            error=record.error["message"] if record.error else None,
        )

    def _sweep(self) -> None:
        """Remove the scratch folders of jobs that are not here any more."""
        if self._scratch.is_dir():
            for folder in self._scratch.iterdir():
                if folder.name not in self._jobs:
                    shutil.rmtree(folder, ignore_errors=True)


def new_id() -> str:
    """Return a name for a job."""
    return secrets.token_hex(4)


def _failure(job: str, outcome: str, failure: object) -> VideoMatteError | None:
    """Return the error that a job ends with."""
    if outcome == "done":
        return None
    if outcome == "replaced":
        return ReplacedError(f"A newer preview took the place of {job}.")
    if outcome == "cancelled":
        return CancelledError(f"Job {job} was cancelled.", remedy="What is solved is kept; the same command goes on.")
    if outcome == "died":
        text = failure.message if isinstance(failure, VideoMatteError) else "Its worker died."
        return WorkerDiedError(
            f"Job {job} was given up: its worker died {schedule.DEATHS_ALLOWED} times. {text}",
            remedy="The daemon's log says more; --profile draft or --device cpu needs less memory.",
        )
    return failure if isinstance(failure, VideoMatteError) else VideoMatteError(f"Job {job} failed.")
