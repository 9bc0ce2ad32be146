"""Where the daemon writes down what it does: a file that begins anew before it grows large, and standard error."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from bridge.wire.errors import StorageError

LARGEST = 4 << 20  # bytes of a file
OLDER = 4  # files that are kept beside the one in use
FILE = "daemon.log"


def begin(folder: Path, *, quiet: bool) -> Path:
    """Log to `daemon.log` in a folder, and unless `quiet` to standard error; return the file.

    Raises StorageError when it cannot be written.
    """
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        to_file = RotatingFileHandler(path, maxBytes=LARGEST, backupCount=OLDER, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(f"The log {path} cannot be written: {error.strerror}.", file=str(path)) from None
    to_file.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    handlers: list[logging.Handler] = [to_file]
    if not quiet:
        said = logging.StreamHandler(sys.stderr)
        said.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        handlers.append(said)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.raiseExceptions = False
    return path
