"""What is told while a solve runs, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Began:
    """The shot is understood: what will be written, what is there already, which keys were found."""

    frames: tuple[int, ...]
    kept: tuple[int, ...]
    keys: tuple[int, ...]
    missing: tuple[int, ...]
    device: str
    precision: str
    colorspace: str


@dataclass(frozen=True)
class Advanced:
    """One frame of a stage is done; a span counts each of its two passes."""

    stage: Literal["propagate", "matte"]
    frame: int
    done: int
    total: int


@dataclass(frozen=True)
class Landed:
    """A frame's files carry their final names."""

    frame: int
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Summary:
    """What a solve came to. Seconds are wall clock, from understanding the shot to the last frame's landing."""

    solved: tuple[int, ...]
    kept: tuple[int, ...]
    missing: tuple[int, ...]
    seconds: float


Event = Began | Advanced | Landed
