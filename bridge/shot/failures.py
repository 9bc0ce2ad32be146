"""Frames that could not be solved and why: `failures.json`, written by the solver, cleared when they are solved."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bridge.exr.landing import landing
from bridge.wire.errors import VideoMatteError

NAME = "failures.json"


@dataclass(frozen=True)
class Failure:
    """Why a frame failed, and the content key that was to be solved: with other inputs it is no failure any more."""

    code: str
    message: str
    remedy: str = ""
    content: str = ""

    @classmethod
    def of(cls, error: VideoMatteError, *, content: str) -> Failure:
        """Return an error as it is kept."""
        return cls(error.code, error.message, error.remedy, content)


def read(folder: Path) -> dict[int, Failure]:
    """Return the failures by frame; what cannot be read is none."""
    try:
        raw = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return {int(frame): Failure(**{k: str(v) for k, v in entry.items()}) for frame, entry in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def add(folder: Path, frame: int, failure: Failure) -> None:
    """Keep a failure. Raises StorageError."""
    _write(folder, {**read(folder), frame: failure})


def clear(folder: Path, frames: Collection[int]) -> None:
    """Forget the failures of frames that were solved. Raises StorageError."""
    known = read(folder)
    left = {frame: failure for frame, failure in known.items() if frame not in frames}
    if left != known:
        _write(folder, left)


def _write(folder: Path, failures: Mapping[int, Failure]) -> None:
    text = json.dumps({str(frame): asdict(failure) for frame, failure in sorted(failures.items())}, indent=2, ensure_ascii=False)
    with landing(folder / NAME) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors="surrogateescape")
