"""What replies are made of: runs of frames, jobs, devices, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional, Tuple

from .limits import Coordinate, Count, Frame

FrameState = Literal["unsolved", "solved", "stale", "failed"]
FrameFlag = Literal["key", "locked", "plate missing"]
Stage = Literal["propagate", "matte", "foreground"]
Box = Tuple[Coordinate, Coordinate, Coordinate, Coordinate]
"""x0, y0, x1, y1 in display coordinates: half-open, y grows downwards."""


@dataclass(frozen=True)
class FrameRun:
    """Neighbouring frames of a shot's range that are in the same state; from `first` to `last`, every `step`th."""

    first: Frame
    last: Frame
    state: FrameState
    flags: Tuple[FrameFlag, ...] = ()
    step: Count = 1


@dataclass(frozen=True)
class JobFiles:
    """The patterns of the files that a job wrote, as the client sees them."""

    alpha: Optional[str] = None
    trimap: Optional[str] = None
    foreground: Optional[str] = None


@dataclass(frozen=True)
class JobState:
    """One job: whose, how far, and why it failed. `submitted` is seconds since 1970."""

    job: str
    shot: str
    what: Literal["solve", "preview"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: Optional[Stage] = None
    done: Count = 0
    total: Count = 0
    submitted: float = 0.0
    client: str = ""
    label: str = ""
    device: Optional[str] = None
    error: Optional[str] = None


@dataclass(frozen=True)
class DeviceState:
    """One device and its worker: what it does, and the bytes it holds, may hold and has."""

    device: str
    name: str
    state: Literal["idle", "busy", "released", "starting", "broken"]
    pid: Optional[Count] = None
    memory_used: Count = 0
    memory_budget: Optional[Count] = None
    memory_total: Count = 0
    job: Optional[str] = None


@dataclass(frozen=True)
class ModelState:
    """One file of weights: which stage it serves, its size, checksum, and whether the file agrees with it."""

    name: str
    file: str
    bytes: Count
    parameters: Count
    sha256: str
    agrees: bool
    licence: str
