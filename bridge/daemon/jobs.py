"""Every job: taken in, scheduled, followed, kept on disk and settled."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bridge.wire import messages as wire
from bridge.wire.errors import LimitError, StorageError, UnknownJobError, VideoMatteError, WorkerDiedError
from bridge.wire.values import JobState

from . import instructions, link, schedule
from .endings import error_of, tell_end
from .leftovers import clear_away, let_all_go, remove, sweep_behind
from .pool import Hired, Pool, how_it_ended
from .queue import KEPT_ENDED, Queue, Record
from .running import Running, state_of
from .sessions import Peer
from .shots import Opened

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0


class Jobs:
    """The jobs of a daemon."""

    def __init__(
        self, queue: Queue, pool: Pool, plan: schedule.Schedule, *, scratch: Path, most: int, folders: tuple[Path, ...] = ()
    ) -> None:
        """scratch: the folder in which each job has one of its own while it is not settled; most: how many may wait; folders: what jobs
        of clients with keys may name."""
        self._queue, self._pool, self._schedule = queue, pool, plan
        self._scratch, self._most, self._folders = scratch, most, tuple(map(str, folders))
        self._jobs: dict[str, Running] = {}
        self._ended: dict[str, Record] = {}
        self._tasks: dict[int, tuple[str, str]] = {}
        self._released: set[str] = set()
        self._left: dict[str, Record] = {}
        self._unwritten: dict[str, Record] = {}
        self._write_again = 0.0
        self._stopping = False

    @property
    def previews(self) -> Path:
        """The folder of the previews of loose shots, empty when a daemon starts."""
        return self._scratch / "previews"

    # What clients ask

    def resume(self) -> int:
        """Take up the jobs that the last daemon left, oldest first; return how many."""
        self._do(self._schedule.passed(time.monotonic()))
        for record in self._queue.records():
            if record.ended:
                self._remember(record)
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
        record = Record(new_id(), shot.id, description, folder=shot.folder, created=time.time(), frames=frames, owner=peer.owner)
        self._queue.put(record)
        job = Running(record, client=peer.session.client if peer.session else "")
        job.follow(peer, request)
        peer.say(wire.JobAccepted(job.id), request=request)
        self._take_in(job)

    def preview(
        self, shot: Opened, *, order: Mapping[str, Any], answer: Callable[[Mapping[str, Any], Peer, int], None], peer: Peer, request: int
    ) -> None:
        """Take in a preview and follow it; `answer` makes the reply from what the worker tells."""
        record = Record(new_id(), shot.id, shot.description, folder=shot.folder, created=time.time(), owner=peer.owner)
        job = Running(record, preview=order, answer=answer, client=peer.session.client if peer.session else "")
        job.follow(peer, request)
        peer.say(wire.JobAccepted(job.id), request=request)
        self._take_in(job, lane=f"{peer.session.token if peer.session else ''}/{shot.id}")

    def follow(self, name: str, *, peer: Peer, request: int) -> None:
        """Let somebody hear of a job; one that has ended ends at once. Raises UnknownJobError."""
        self._check_known(name, peer.owner, remedy="`videomatte jobs --all` lists them.")
        if name in self._jobs:
            self._jobs[name].follow(peer, request)
            peer.say(wire.JobAccepted(name), request=request)
        else:
            peer.say(wire.JobAccepted(name), request=request)
            tell_end(self._ended[name], peer, request)

    def cancel(self, name: str, *, owner: str | None = None) -> None:
        """Cancel a job, of one owner if given. One that has ended stays as it ended. Raises UnknownJobError."""
        self._check_known(name, owner, remedy="`videomatte jobs` lists them.")
        self._do(self._schedule.cancelled(name))

    def states(self, *, ended: bool = False, owner: str | None = None) -> tuple[JobState, ...]:
        """Return the jobs that wait or run, oldest first, and before them those that ended if wanted; of one owner if given."""
        old = [(record, None) for record in self._ended.values()] if ended else []
        known = (*old, *((job.record, job) for job in self._jobs.values()))
        return tuple(state_of(record, job) for record, job in known if owner in (None, record.owner))

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
        busy = [hired for name, hired in self._pool.hired.items() if name not in idle and hired.ready and hired.leaving is None]
        for hired in done:
            self._let_go(hired)
        self._released |= {hired.name for hired in busy}
        return tuple(h.device for h in done), tuple(h.device for h in busy)

    def stop(self) -> bool:
        """Drop what workers are at, after the frame in work; return whether all of them are idle."""
        if not self._stopping:
            self._stopping = True
            self._do(self._schedule.closed())
        return not any(self._schedule.busy().values())

    def close(self) -> None:
        """Let go of the shot folders of all jobs; those that wait claim them again at the next start."""
        let_all_go([*(job.record for job in self._jobs.values()), *self._left.values()])

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
                self._failed(hired, said)
        hired.idle_since = time.monotonic() if said.__class__ in (link.Ready, link.Finished, link.Failed) else hired.idle_since

    def gone(self, worker: str, status: int) -> None:
        """Learn that a worker process has ended."""
        hired = self._pool.forget(worker)
        if hired is None:
            return
        for number in [n for n, (_, at) in self._tasks.items() if at == worker]:
            if (job := self._job_of(number)) is not None:
                sweep_behind(job.record)
            self._lose(number)
        self._released.discard(worker)
        if self._stopping or hired.leaving is not None:
            self._schedule.retired(worker)
            return
        failure = WorkerDiedError(
            f"The worker of {hired.device or hired.asked} died: {hired.ending or how_it_ended(status)}.",
            remedy="The daemon's log says more; --profile draft or --device cpu needs less memory.",
        )
        log.warning("%s", failure.message)
        if hired.ready:
            self._do(self._schedule.died(worker, failure))
        else:
            self._do(self._schedule.not_started(hired.asked, hired.failure or failure, for_good=hired.failure is not None))

    def tick(self, now: float, *, idle_after: float) -> None:
        """Let time pass: turns end, idle workers give their devices back."""
        self._do(self._schedule.passed(now))
        idle = set(self._schedule.idle())
        for hired in list(self._pool.hired.values()):
            waited = now - hired.idle_since > idle_after
            if hired.name in idle and hired.leaving is None and (waited or hired.name in self._released):
                self._let_go(hired)
        self._pool.overdue()
        self._clear()
        if self._unwritten and now >= self._write_again:
            self._write_again = now + RETRY_SECONDS
            for record in list(self._unwritten.values()):
                self._write(record)

    # How it is done

    def _check_known(self, name: str, owner: str | None, *, remedy: str) -> None:
        """Raise UnknownJobError for a job that there is not, or that is another's."""
        record = self._jobs[name].record if name in self._jobs else self._ended.get(name)
        if record is None or owner not in (None, record.owner):
            raise UnknownJobError(f"There is no job {name}.", remedy=remedy)

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

    def _do(self, wanted: Iterable[instructions.Instruction]) -> None:
        for instruction in wanted:
            match instruction:
                case instructions.Do(worker, task):
                    job = self._jobs[task.job]
                    self._tasks[task.number] = (task.job, worker)
                    self._pool.tell(worker, link.Perform(task, self._order(job)))
                    self._began(job)
                case instructions.End(worker, task):
                    self._pool.tell(worker, link.EndTurn(task.number))
                case instructions.Stop(worker, task):
                    self._pool.tell(worker, link.Drop(task.number))
                case instructions.Start(device):
                    self._hire(device)
                case instructions.Move(job, device, failure):
                    self._moved(self._jobs[job], device, failure)
                case instructions.Settle(job, outcome, failure):
                    self._settle(job, outcome, failure)

    def _order(self, job: Running) -> link.Order:
        record = job.record
        folders = None if record.owner is None else self._folders
        return link.Order(asdict(record.description), record.folder, str(self._scratch / record.id), job.preview or {}, folders)

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
        for device in others if hired.asked in (schedule.AUTO, schedule.CUDA) and not self._stopping else ():
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
        walks = sum(len(p.frames) * (2 if p.before is not None and p.after is not None else 1) for p in said.parts)
        facts: dict[str, Any] = {"files": dict(said.files), "notes": (*job.record.notes, *said.warnings)}
        if not job.record.understood:
            facts |= {"todo": said.frames, "kept": said.kept, "missing": said.missing, "understood": True}
        self._keep(job, **facts)
        job.understood(walks=walks, left=len(said.frames))
        self._do(self._schedule.understood(worker, said.number, parts=list(said.parts), frames=said.frames))

    def _progressed(self, said: link.Advanced | link.Landed) -> None:
        job = self._job_of(said.number)
        if job is None:
            return
        stage, files = ("matte", said.files) if isinstance(said, link.Landed) else (said.stage, ())
        done, total = job.went_on(stage, said.number)
        if isinstance(said, link.Landed):
            self._schedule.landed(said.number, job.id, said.frame)
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
            if said.result:
                job.show(said.result)
        self._do(self._schedule.finished(worker, said.number))

    def _failed(self, hired: Hired, said: link.Failed) -> None:
        error = wire.Error(**said.error).exception()
        if not hired.ready:
            hired.failure = error
            return
        self._lose(said.number)
        self._do(self._schedule.failed(hired.name, said.number, error, memory=said.memory))

    def _lose(self, number: int) -> None:
        """Forget a task that was not done: what it walked is walked again."""
        job = self._job_of(number)
        self._tasks.pop(number, None)
        if job is not None:
            job.walked.pop(number, None)

    def _moved(self, job: Running, device: str, failure: object) -> None:
        why = failure.message if isinstance(failure, VideoMatteError) else "The device cannot be used."
        self._keep(job, notes=(*job.record.notes, f"Solved on {device} from there on: {why}"))

    def _job_of(self, number: int) -> Running | None:
        return self._jobs.get(self._tasks.get(number, ("", ""))[0])

    def _settle(self, name: str, outcome: str, failure: object) -> None:
        job = self._jobs.pop(name, None)
        if job is None:
            return
        error = error_of(name, outcome, failure)
        state = {"done": "done", "cancelled": "cancelled", "replaced": "cancelled"}.get(outcome, "failed")
        seconds = time.monotonic() - job.begun if job.begun else 0.0
        told = None if error is None else asdict(wire.Error.of(error))
        job.record = replace(job.record, state=state, seconds=seconds, error=told)
        log.info("job %s %s%s", name, outcome, f": {error.message}" if error else "")
        if job.preview is None:
            self._remember(job.record)
            self._write(job.record)
        self._left[name] = job.record
        for peer, request in job.followers:
            if job.preview is None or error is not None:
                tell_end(job.record, peer, request)
        job.unanswered()

    def _keep(self, job: Running, **facts: Any) -> None:
        job.record = replace(job.record, **facts)
        if job.preview is None:
            self._write(job.record)

    def _write(self, record: Record) -> None:
        """Keep a record on disk, now or as soon as the disk takes it: a full disk ends no job and no daemon."""
        try:
            self._queue.put(record)
        except StorageError as error:
            if record.id not in self._unwritten:
                log.warning("%s", error.message)
            self._unwritten[record.id] = record
        else:
            self._unwritten.pop(record.id, None)

    def _remember(self, record: Record) -> None:
        """Keep a job that has ended in memory, as many as the queue keeps."""
        self._ended[record.id] = record
        while len(self._ended) > KEPT_ENDED:
            del self._ended[next(iter(self._ended))]

    def _clear(self) -> None:
        """Take away what settled jobs left that no worker is at any more."""
        at = {name for names in self._schedule.busy().values() for name in names}
        for name in self._left.keys() - at:
            clear_away(self._left.pop(name), scratch=self._scratch / name)

    def _sweep(self) -> None:
        """Remove the scratch folders of jobs that are not here any more."""
        if self._scratch.is_dir():
            for folder in self._scratch.iterdir():
                if folder.name not in self._jobs:
                    remove(folder)


def new_id() -> str:
    """Return a name for a job."""
    return secrets.token_hex(4)
