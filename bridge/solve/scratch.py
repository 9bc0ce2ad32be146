"""The scratch folder of a solve: trimaps between the stages and the first of two passes, so that memory never grows with a shot.

A scratch folder of a name stays and is found again; one without is gone when its solve ends.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from bridge.wire.errors import StorageError

Bytes = NDArray[np.uint8]
ABANDONED_SECONDS = 3600.0
_NAME = re.compile(r"videomatte~(?P<host>[^~]*)~(?P<pid>\d+)~.*")


def sweep(parent: Path | None = None, *, own: bool = False) -> None:
    """Remove the scratch folders that dead processes of this machine left and nobody touched for an hour; `own` also this process's."""
    folder = parent or Path(tempfile.gettempdir())
    with suppress(OSError):
        for name in os.listdir(folder):
            match = _NAME.fullmatch(name)
            if match is None or match["host"] != _host():
                continue
            pid = int(match["pid"])
            if own if pid == os.getpid() else _dead(pid) and _untouched(folder / name):
                shutil.rmtree(folder / name, ignore_errors=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:48]


def _untouched(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > ABANDONED_SECONDS
    except OSError:
        return False


def _dead(pid: int) -> bool:
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


class Scratch:
    """A folder of small compressed arrays: a temporary one, gone when the context is left, or `folder`, which stays."""

    def __init__(self, parent: Path | None = None, *, folder: Path | None = None) -> None:
        self._parent, self._kept = parent, folder
        self._folder: Path | None = None

    def __enter__(self) -> Scratch:
        try:
            self._folder = self._made()
        except OSError as error:
            raise StorageError(
                f"{self._kept or self._parent or tempfile.gettempdir()}: no scratch folder can be made there: {error.strerror}",
                remedy="Free some space or set TMPDIR.",
            ) from error
        return self

    def _made(self) -> Path:
        if self._kept is not None:
            self._kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            return self._kept
        sweep(self._parent)
        return Path(tempfile.mkdtemp(prefix=f"videomatte~{_host()}~{os.getpid()}~", dir=self._parent))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._folder is not None and self._kept is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, name: str, array: Bytes) -> None:
        """Keep an array of any shape under a name, whole or not at all. Raises StorageError."""
        path = self._path(name)
        unfinished = path.with_name(f"{name}~{os.getpid()}")
        shape = np.array([array.ndim, *array.shape], np.int32)
        try:
            unfinished.write_bytes(shape.tobytes() + zlib.compress(array.tobytes(), 1))
            unfinished.replace(path)
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be written: {error.strerror}", remedy="Free some space or set TMPDIR to a larger disk.", file=str(path)
            ) from error

    def read(self, name: str) -> Bytes:
        """Return what was kept under a name. Raises KeyError."""
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None
        dimensions = int(np.frombuffer(data, np.int32, 1)[0])
        shape = np.frombuffer(data, np.int32, dimensions, 4)
        return np.frombuffer(zlib.decompress(data[4 * (1 + dimensions) :]), np.uint8).reshape(shape)

    def remove(self, name: str) -> None:
        """Forget what was kept under a name."""
        os.unlink(self._path(name))

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        assert self._folder is not None, "a scratch folder is used inside its context"
        return self._folder / name
