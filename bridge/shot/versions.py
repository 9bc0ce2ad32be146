"""Versions of a shot's results: `alpha/v001/alpha.####.exr` and so on, whole folders that never change once they have their name.

The rules:
- `alpha/pending` is the solve in work. It begins as hard links to the newest version (copies where the disk has no links), its files are
  replaced by rename, and it becomes the next version by being renamed.
- A foreground is a second such folder; it is renamed first, and the alpha's version is the one that counts.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from bridge.exr.landing import landing, storage_error, sweep_temporaries
from bridge.sequence import Sequence

PENDING = "pending"
ALPHA, FOREGROUND = "alpha", "foreground"
KINDS = (FOREGROUND, ALPHA)
_VERSION = re.compile(r"v(\d{3,})")
_GONE = re.compile(r"\.gone~\d+~v\d+")


def newest(folder: Path, *, kind: str = ALPHA) -> int | None:
    """Return the number of a shot's newest version of a kind of result, None when there is none."""
    return max(_numbers(folder / kind), default=None)


def version_folder(folder: Path, number: int, *, kind: str = ALPHA) -> Path:
    """Return where a version is, or would be."""
    return folder / kind / f"v{number:03d}"


def pending_folder(folder: Path, *, kind: str = ALPHA) -> Path:
    """Return where the solve in work is."""
    return folder / kind / PENDING


def files_of(where: Path, *, kind: str) -> Sequence:
    """Return the pattern of the results in a version or in the solve in work."""
    return Sequence.parse(where / f"{kind}.####.exr")


def newest_files(folder: Path, *, kind: str) -> Sequence:
    """Return the pattern of the newest results; where there are none, of those that would be the first."""
    return files_of(version_folder(folder, newest(folder, kind=kind) or 1, kind=kind), kind=kind)


def recover(folder: Path) -> None:
    """Take back a foreground whose alpha was not published any more, and sweep what a prune left."""
    last = newest(folder) or 0
    orphan = newest(folder, kind=FOREGROUND) or 0
    if orphan > last and not pending_folder(folder, kind=FOREGROUND).exists():
        _rename(version_folder(folder, orphan, kind=FOREGROUND), pending_folder(folder, kind=FOREGROUND))
    for kind in KINDS:
        for name in _names(folder / kind):
            if _GONE.fullmatch(name):
                shutil.rmtree(folder / kind / name, ignore_errors=True)


def begin(folder: Path, *, kind: str) -> None:
    """Link the newest results of a kind into the solve in work, where it has no file of that name. Raises StorageError."""
    pending, number = pending_folder(folder, kind=kind), newest(folder, kind=kind)
    try:
        pending.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(pending, error.strerror or str(error), number=error.errno) from error
    if number is not None:
        source, there = version_folder(folder, number, kind=kind), set(_names(pending))
        for name in _names(source):
            if name not in there and not name.startswith("."):
                link(source / name, pending / name)


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where that cannot be, whole or not at all. Raises StorageError."""
    with suppress(FileNotFoundError, OSError):
        if os.path.samefile(source, target):
            return
    try:
        os.link(source, target)
        return
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise storage_error(target, error.strerror or str(error), number=error.errno) from error
    with landing(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copy2(source, temporary)


def publish(folder: Path) -> Path | None:
    """Make the solve in work the newest version and return its folder; when it changed nothing, it goes and None is returned.

    Raises StorageError.
    """
    last = newest(folder) or 0
    if not any(_differs(folder, kind) for kind in KINDS):
        discard(folder)
        return None
    for kind in KINDS:
        pending = pending_folder(folder, kind=kind)
        if pending.exists():
            sweep_temporaries(pending)
            _sync(pending)
            _rename(pending, version_folder(folder, last + 1, kind=kind))
            _sync(folder / kind)
    return version_folder(folder, last + 1)


def discard(folder: Path) -> None:
    """Remove the solve in work."""
    for kind in KINDS:
        shutil.rmtree(pending_folder(folder, kind=kind), ignore_errors=True)


def prune(folder: Path, *, keep: int) -> list[int]:
    """Remove all but the newest `keep` versions; return the numbers of those removed. Raises StorageError."""
    last = newest(folder) or 0
    gone = sorted({n for kind in KINDS for n in _numbers(folder / kind) if n <= last - max(1, keep)})
    for number in gone:
        for kind in KINDS:
            place = version_folder(folder, number, kind=kind)
            if place.exists():
                aside = place.with_name(f".gone~{os.getpid()}~{place.name}")
                _rename(place, aside)
                shutil.rmtree(aside, ignore_errors=True)
    return gone


def _differs(folder: Path, kind: str) -> bool:
    """Tell whether the solve in work holds other results of a kind than the newest version."""
    pending, number = pending_folder(folder, kind=kind), newest(folder, kind=kind)
    if not pending.exists():
        return False
    source = version_folder(folder, number or 0, kind=kind)
    old, new = ({n for n in _names(place) if not n.startswith(".")} for place in (source, pending))
    return old != new or any(not _same(source / name, pending / name) for name in new)


def _same(a: Path, b: Path) -> bool:
    return os.path.samefile(a, b) or filecmp.cmp(a, b, shallow=False)


def _numbers(place: Path) -> list[int]:
    return [int(match[1]) for name in _names(place) if (match := _VERSION.fullmatch(name))]


def _names(place: Path) -> list[str]:
    try:
        return os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _rename(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        raise storage_error(target, error.strerror or str(error), number=error.errno) from error


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
