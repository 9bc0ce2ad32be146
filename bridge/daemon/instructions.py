"""What the schedule wants done: instructions to workers and about them, and how jobs end."""

from __future__ import annotations

from dataclasses import dataclass

from .tasks import Task


@dataclass(frozen=True)
class Do:
    """Have a worker do a task, now or in between what it is doing."""

    worker: str
    task: Task


@dataclass(frozen=True)
class End:
    """Have a worker end a task after the frame in work: its turn is over."""

    worker: str
    task: Task


@dataclass(frozen=True)
class Stop:
    """Have a worker drop a task at the next frame boundary: nobody waits for it any more."""

    worker: str
    task: Task


@dataclass(frozen=True)
class Start:
    """Start a worker for a device."""

    device: str


@dataclass(frozen=True)
class Move:
    """Say that a job goes on on another device, because of a failure."""

    job: str
    device: str
    failure: object


@dataclass(frozen=True)
class Settle:
    """Tell everybody who follows a job how it ended: done, cancelled, replaced, died, or failed with the error of `failure`."""

    job: str
    outcome: str
    failure: object = None


Instruction = Do | End | Stop | Start | Move | Settle
