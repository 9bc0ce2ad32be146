"""Delivery: the newest results of a shot under the names that people look for, each read back whole before it counts.

The rules:
- A delivered file is a hard link to the version's own (a copy where the disk has no links), put in place by rename.
- A file that is that already is not touched; every other is decoded in full first and must carry our content key.
- A file of that name that is not ours is never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bridge import exr
from bridge.exr.landing import sweep_temporaries
from bridge.sequence import Sequence
from bridge.shot.outputs import CONTENT
from bridge.shot.versions import link
from bridge.wire.errors import ForeignFileError, ImageError, StorageError


def deliver(source: Sequence, *, into: Sequence, frames: Iterable[int]) -> tuple[int, ...]:
    """Deliver frames of a sequence of results; return those that were new. Raises ForeignFileError, StorageError."""
    sweep_temporaries(into.folder)
    new = []
    for frame in frames:
        result, target = source.path(frame), into.path(frame)
        if target.exists() and os.path.samefile(result, target):
            continue
        _check_is_ours(target)
        verify(result, frame=frame)
        link(result, target)
        new.append(frame)
    return tuple(new)


def verify(path: Path, *, frame: int) -> None:
    """Read a result whole. Raises StorageError when it does not decode or is not ours."""
    remedy = "Check the disk; the frame is solved again when its file in the shot folder is removed."
    try:
        exr.read_channel(path)
    except ImageError as error:
        raise StorageError(f"{path} does not read back: {error.message}", remedy=remedy, file=str(path), frame=frame) from error
    if CONTENT not in (exr.read_provenance(path) or {}):
        raise StorageError(f"{path} does not say what it was made from.", remedy=remedy, file=str(path), frame=frame)


def _check_is_ours(target: Path) -> None:
    if target.exists() and exr.read_provenance(target) is None:
        message = f"{target} was not written by videomatte, so it is not replaced."
        raise ForeignFileError(message, remedy="Move it away, or choose another --out.", file=str(target))
