"""From any exception to an error a person can act on; tracebacks go to the log."""

from __future__ import annotations

import errno
import os
import tempfile
import time
import traceback
from pathlib import Path

from bridge.version import VERSION
from bridge.wire.errors import InterruptedByUserError, MemoryExhaustedError, StorageError, VideoMatteError

LARGEST_LOG = 1 << 20
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "insufficient memory", "bad_alloc")


def explained(error: BaseException) -> VideoMatteError:
    """Return an error of the tree for any exception; what is unforeseen is logged with its traceback."""
    if isinstance(error, VideoMatteError):
        if error.exit_status == 1:
            error.remedy = error.remedy or _please_send(logged(error))
        return error
    if isinstance(error, KeyboardInterrupt):
        return InterruptedByUserError("Stopped by Ctrl-C.")
    if is_memory(error):
        logged(error)
        return MemoryExhaustedError(
            "There is not enough memory for this solve.",
            remedy="Close other programs, use --device cpu when the graphics card is full, or try --profile draft.",
        )
    if isinstance(error, OSError) and error.errno in (*NO_SPACE, *NO_PERMISSION):
        logged(error)
        full = error.errno in NO_SPACE
        name = error.filename if error.filename is not None else "A file"
        return StorageError(
            f"{name} cannot be written or read: {error.strerror}.",
            remedy="Free some space, or use another disk." if full else "Check the permissions.",
            file=str(error.filename) if error.filename is not None else None,
        )
    said = (str(error).strip().splitlines() or [""])[0][:200]
    text = f"Something went wrong inside videomatte: {type(error).__name__}" + (f": {said}" if said else "")
    return VideoMatteError(text, remedy=_please_send(logged(error)))


def is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in OUT_OF_MEMORY)


def _please_send(log: Path | None) -> str:
    return f"Please report it with the log {log}." if log else "Please report it; the log could not be written."


def log_folder() -> Path:
    """Return the folder of the log, as the system has it."""
    import platformdirs

    return Path(platformdirs.user_log_dir("videomatte", appauthor=False))


def logged(error: BaseException) -> Path | None:
    """Append a traceback to the log and return where it lies; None when it can be written nowhere."""
    text = "".join(traceback.format_exception(error))
    entry = f"{time.strftime('%Y-%m-%d %H:%M:%S')} videomatte {VERSION} process {os.getpid()}\n{text}\n"
    for folder in (log_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "videomatte.log"
            if path.exists() and path.stat().st_size > LARGEST_LOG:
                path.replace(path.with_suffix(".old.log"))
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(entry)
        except OSError:
            continue
        return path
    return None
