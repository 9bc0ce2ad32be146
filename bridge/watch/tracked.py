"""One shot as a watcher knows it, and the states it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from bridge.wire.errors import (
    DaemonUnreachableError,
    MemoryExhaustedError,
    ProtocolError,
    ResourceError,
    VideoMatteError,
    WorkerDiedError,
)

from .complete import Quiet
from .found import Found
from .runner import Step

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
DEADLY_TRIES = 5


class State(Enum):
    """How a shot stands."""

    WAITING = "waiting"
    """Something is not there yet, or still changes."""
    CHECKING = "checking"
    """Its files are being read whole."""
    QUEUED = "queued"
    """It is complete and waits its turn."""
    SOLVING = "solving"
    """The daemon is at it."""
    DONE = "done"
    """Its mattes are delivered and verified."""
    HELD = "held"
    """The machine cannot do it now; it is tried again."""
    FAILED = "failed"
    """It is set aside until its files change."""


RESTING = (State.WAITING, State.DONE, State.FAILED)


@dataclass
class Tracked:
    """What a watcher knows of one shot. `done`: what done.json says; `failed`: the fingerprint that failed, `lasting` unless
    another time may do better; `job`: the daemon's; `held`: the reason that was told last for holding it.
    """

    name: str
    out: Path
    found: Found
    quiet: Quiet
    state: State = State.WAITING
    reason: str = ""
    soon: bool = True
    error: VideoMatteError | None = None
    done: Mapping[str, object] | None = None
    held: str = ""
    failed: str = ""
    lasting: bool = True
    job: str = ""
    step: Step = field(default_factory=Step)
    stage_since: float = 0.0
    retry_at: float = 0.0
    attempts: int = 0

    @property
    def busy(self) -> bool:
        """Whether a runner has it."""
        return self.state in (State.QUEUED, State.SOLVING)

    def seen(self, found: Found, *, now: float) -> bool:
        """Note how it lies there now; tell whether that is another way than before."""
        before, self.found = self.found, found
        same = before is found or (before.fingerprint == found.fingerprint and before.sentinel == found.sentinel)
        self.quiet = Quiet(self.quiet.since, self.quiet.looks + 1) if same else Quiet(now)
        return not same

    def stepped(self, step: Step, *, now: float) -> None:
        """Note how far its solve is."""
        if step.stage != self.step.stage:
            self.stage_since = now
        self.step = step
        self.job = step.job or self.job

    def fps(self, now: float) -> float:
        """Return the frames a second of the stage in work."""
        return self.step.done / max(now - self.stage_since, 1e-3) if self.state is State.SOLVING else 0.0

    def after(self, error: VideoMatteError, *, now: float) -> State:
        """Note an error of its solve and return what becomes of it: some pass with time, others with another delivery."""
        self.error, self.attempts = error, self.attempts + 1
        deadly = isinstance(error, WorkerDiedError | MemoryExhaustedError) and self.attempts >= DEADLY_TRIES
        if deadly or not isinstance(error, ResourceError | DaemonUnreachableError | ProtocolError):
            return State.FAILED
        self.retry_at = now + min(FIRST_PAUSE * 2 ** (self.attempts - 1), LONGEST_PAUSE)
        return State.HELD
