"""What workers are given to do: a job's steps, cut so that none is lost with a worker and none keeps others waiting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The steps of a job."""

    UNDERSTAND = "understand"
    """Find out what is there already and what is to be done."""
    PROPAGATE = "propagate"
    """Stage 1 on one segment: cannot be interrupted without loss, but others' steps may be done in between."""
    MATTE = "matte"
    """Stage 2 on frames: may end after any of them."""
    PUBLISH = "publish"
    """Make what was solved the newest version of a shot folder."""
    PREVIEW = "preview"
    """One frame, quickly."""


@dataclass(frozen=True)
class Part:
    """What of a segment is propagated: its bounding keys (None for head and tail) and its frames, ascending."""

    before: int | None
    after: int | None
    frames: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """One step of a job. `number` is never used twice while a daemon runs."""

    number: int
    job: str
    kind: Kind
    part: Part | None = None
    frames: tuple[int, ...] = ()
