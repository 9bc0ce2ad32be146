"""A stage for the jobs of the daemon: workers and clients that are not there and say what a test has them say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.daemon import link
from bridge.daemon.jobs import Jobs
from bridge.daemon.pool import Hired, Pool
from bridge.daemon.queue import Queue, Record
from bridge.daemon.schedule import Schedule
from bridge.daemon.sessions import Peer
from bridge.daemon.shots import Opened
from bridge.daemon.tasks import Part, Task
from bridge.wire.description import Description
from bridge.wire.errors import StorageError
from bridge.wire.messages import JobAccepted, Message

FRAMES = (1001, 1002, 1003)
SHOT = Opened("s", Description(plate="/p.####.exr", out="/o.####.exr"))


@dataclass
class Process:
    """A process that is not there."""

    pid: int = 4242
    killed: int = 0

    def kill(self) -> None:
        self.killed += 1


class Crew:
    """Workers that are told things and say what the test has them say."""

    def __init__(self) -> None:
        self.hired: dict[str, Hired] = {}
        self.told: list[tuple[str, link.Said]] = []
        self.refuses = False

    def start(self, device: str) -> Hired:
        if self.refuses:
            raise OSError(12, "Cannot allocate memory")
        name = f"w{len(self.hired) + 1}"
        self.hired[name] = Hired(name, device, Process())  # type: ignore[arg-type]
        return self.hired[name]

    def tell(self, worker: str, said: link.Said) -> None:
        self.told.append((worker, said))

    def quit(self, worker: str) -> None:
        self.hired[worker].leaving = time.monotonic() + 10

    kill, overdue = Pool.kill, Pool.overdue

    def forget(self, worker: str) -> Hired | None:
        return self.hired.pop(worker, None)

    def tasks(self) -> list[Task]:
        return [said.task for _, said in self.told if isinstance(said, link.Perform)]


class FullQueue(Queue):
    """A queue whose disk is full now and then."""

    full = False

    def put(self, record: Record) -> None:
        if self.full:
            raise StorageError("no space")
        super().put(record)


@dataclass(eq=False)
class Listener:
    """Somebody who follows a job."""

    heard: list[Message] = field(default_factory=list)
    gone: bool = False
    session: None = None
    owner: str | None = None

    def say(self, message: Message, *, request: int, parts: object = ()) -> None:
        self.heard.append(message)

    fail = Peer.fail


@dataclass
class Stage:
    """Jobs with everything around them."""

    jobs: Jobs
    crew: Crew
    queue: FullQueue
    scratch: Path
    peer: Any = field(default_factory=Listener)

    def submit(self, device: str = "auto") -> str:
        shot = Opened("s", Description(plate="/p.####.exr", out="/o.####.exr", device=device))
        self.jobs.solve(shot, None, peer=self.peer, request=2)
        accepted = next(m for m in reversed(self.peer.heard) if isinstance(m, JobAccepted))
        return accepted.job

    def ready(self, worker: str = "w1", device: str = "cpu") -> None:
        self.jobs.said(worker, link.Ready(device, "make", 1))

    def understood(self, *, parts: tuple[Part, ...] = (), frames: tuple[int, ...] = FRAMES, worker: str = "w1") -> None:
        number = self.crew.tasks()[-1].number
        self.jobs.said(worker, link.Understood(number, parts, frames, (), (), {"matte": "/o.####.exr"}))
        self.jobs.said(worker, link.Finished(number))

    def land(self, *frames: int, worker: str = "w1") -> None:
        for frame in frames:
            self.jobs.said(worker, link.Landed(self.crew.tasks()[-1].number, frame, (f"/o.{frame}.exr",)))

    def finish(self, worker: str = "w1", **more: Any) -> None:
        self.jobs.said(worker, link.Finished(self.crew.tasks()[-1].number, **more))

    def tick(self, now: float | None = None, idle_after: float = 1e9) -> None:
        self.jobs.tick(time.monotonic() if now is None else now, idle_after=idle_after)

    def last(self) -> Any:
        return self.peer.heard[-1]


def staged(folder: Path, *, device: str) -> Iterator[Stage]:
    crew, queue = Crew(), FullQueue(folder / "queue.sqlite")
    jobs = Jobs(queue, crew, Schedule(device=device), scratch=folder / "scratch", most=8)  # type: ignore[arg-type]
    jobs.resume()
    yield Stage(jobs, crew, queue, folder / "scratch")
    queue.close()
