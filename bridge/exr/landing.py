"""How a file gets its name: under a temporary one first, complete and on the disk, then renamed over the old.

A temporary name is `.videomatte~HOST~PID~RANDOM.tmp`: hidden, short whatever the final name, ignored by every sequence, and it tells who
is writing so that what a dead process left behind can be swept.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.wire.errors import StorageError

ABANDONED_SECONDS = 86_400.0
REMEDIES = {
    errno.ENOSPC: "Free some space, or write to another disk.",
    errno.EDQUOT: "Your quota is used up: free some space, or write to another disk.",
    errno.EFBIG: "Files this large are not allowed here: write to another disk, or raise the limit.",
    errno.EACCES: "Make the folder writable, or write to another.",
    errno.EPERM: "Make the folder writable, or write to another.",
    errno.EROFS: "This disk is read-only: write to another.",
    errno.ENAMETOOLONG: "Choose a shorter name or folder.",
    errno.ENOTDIR: "A part of the path is a file: choose another folder.",
    errno.EEXIST: "A file has the name of the folder: choose another folder.",
    errno.EISDIR: "A folder has this name: choose another.",
    errno.ESTALE: "The network disk went away: try again when it is back.",
}

_TEMPORARY = re.compile(r"\.videomatte~(?P<host>[^~]*)~(?P<pid>\d+)~[0-9a-f]+\.tmp")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:48]


@contextmanager
def landing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; on leaving without an error it is synced and takes the name.

    Raises:
        StorageError: the folder cannot be made or written, or the disk is full. The old file stays and no temporary one is left.
    """
    temporary = path.parent / f".videomatte~{_host()}~{os.getpid()}~{secrets.token_hex(6)}.tmp"
    try:
        _reserve(path, temporary)
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise storage_error(path, error.strerror or str(error), number=error.errno) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reserve(path: Path, temporary: Path) -> None:
    """Create the folder and the empty temporary file, so that what cannot work fails here with the system's own reason."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "a folder has this name")
    with suppress(FileNotFoundError):
        os.lstat(path)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _sync(temporary: Path) -> None:
    handle = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def storage_error(path: Path, reason: str, *, number: int | None = None) -> StorageError:
    """Say that `path` could not be written, why, and what to do."""
    remedy = REMEDIES.get(number or 0, "Check the disk and the folder's permissions.")
    return StorageError(f"{path} could not be written: {reason}", remedy=remedy, file=str(path))


def why_incomplete(path: Path, wanted: int, said: str) -> StorageError:
    """Explain a file that was not written whole; `wanted` is how many bytes it may have needed."""
    with suppress(OSError):
        if shutil.disk_usage(path.parent).free < wanted:
            return storage_error(path, "the disk is full", number=errno.ENOSPC)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(number) in said:
            return storage_error(path, os.strerror(number).lower(), number=number)
    return storage_error(path, said or "it reads back differently from what was written")


def sweep_temporaries(folder: str | Path) -> int:
    """Remove temporary files that dead processes of this machine, or anyone more than a day ago, left in `folder`; return how many."""
    swept = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match and _abandoned(entry, match["host"], int(match["pid"])):
                with suppress(OSError):
                    os.unlink(entry.path)
                    swept += 1
    return swept


def _abandoned(entry: os.DirEntry[str], host: str, pid: int) -> bool:
    if host == _host() and os.name == "posix":
        return not _alive(pid)
    try:
        return time.time() - entry.stat().st_mtime > ABANDONED_SECONDS
    except OSError:
        return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
