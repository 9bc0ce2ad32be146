"""Shared memory: a file in memory that a client makes and the daemon opens; results are written in place.

The one who makes a file owns it and holds a lock on it as long as it lives (`flock`), so that the daemon can tell at its start what a
dead client left behind. Mode 0600; all blocks are reserved when it is made, so that no later write meets a full disk.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import stat
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Dict, List, Mapping, Optional, Tuple

from .errors import InputError, NotAllowedError, StorageError
from .limits import SHARED_BYTES
from .pixels import ITEM_BYTES, Dtype, Rows, SharedPixels, byte_count

if sys.platform != "win32":
    import fcntl

ENDING = ".pixels"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.pixels")
ALIGNED = 64
"""Bytes: every picture of a shared frame begins at a multiple."""
CHARACTERS: Mapping[str, str] = MappingProxyType({"uint8": "B", "uint16": "H", "float16": "H", "float32": "f"})


class SharedFile:
    """A mapped file. Close it, or use it in a `with`; views of it must be let go first, or the memory stays until they are."""

    def __init__(self, path: Path, descriptor: int, size: int, *, owned: bool) -> None:
        self.path, self.size, self._descriptor, self._owned = path, size, descriptor, owned
        self._map: Optional[mmap.mmap] = mmap.mmap(descriptor, size)

    @classmethod
    def create(cls, folder: Path, *, size: int) -> SharedFile:
        """Make a file of so many bytes, all zero, and lock it.

        Raises StorageError when there is no room or no permission, InputError for a size that is not allowed.
        """
        _check_size(size)
        path = folder / (secrets.token_hex(12) + ENDING)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                _lock(descriptor)
                _reserve(descriptor, size)
                return cls(path, descriptor, size, owned=True)
            except BaseException:
                os.close(descriptor)
                path.unlink()
                raise
        except OSError as error:
            raise StorageError(
                f"Shared memory of {size} bytes cannot be made in {folder}: {error.strerror}.",
                remedy="Free some memory, or send pixels by path.",
                file=str(path),
            ) from None

    @classmethod
    def open(cls, folder: Path, name: str, *, size: int) -> SharedFile:
        """Open a file that another process made. Its first `size` bytes must be there; blocks that were not reserved are reserved now.

        Raises InputError when it is missing or too small, NotAllowedError for a name that leads elsewhere or a file of somebody else,
        StorageError when there is no room for its blocks.
        """
        _check_size(size)
        if not PLAIN_NAME.fullmatch(name):
            raise NotAllowedError(f"{name[:100]!r} cannot name shared memory.")
        path = folder / name
        try:
            descriptor = os.open(
                path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
            )
        except OSError as error:
            raise InputError(f"Shared memory {path} cannot be opened: {error.strerror}.", file=str(path)) from None
        try:
            found = os.fstat(descriptor)
            _check_file(found, path, size)
            if getattr(found, "st_blocks", size) * 512 < size:
                _reserve_late(descriptor, path, size)
            return cls(path, descriptor, size, owned=False)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def view(self) -> memoryview:
        """The bytes. Let go of it (`release`) before closing."""
        if self._map is None:
            raise ValueError("closed")
        return memoryview(self._map)

    def is_in_place(self) -> bool:
        """Return whether the file still lies at its path and is as large as it was."""
        try:
            found, ours = os.stat(self.path, follow_symlinks=False), os.fstat(self._descriptor)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino) and ours.st_size >= self.size

    def close(self) -> None:
        """Let go; the owner removes the file. Memory that somebody still looks at stays mapped until they look away."""
        if self._map is None:
            return
        with contextlib.suppress(BufferError):
            self._map.close()
        self._map = None
        os.close(self._descriptor)
        if self._owned:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def __enter__(self) -> SharedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SharedFiles:
    """The files of a folder that were used last, kept mapped: to map a large picture anew takes longer than to copy it.

    May be asked from any thread. A file that its owner removed or replaced is let go when it is asked for, or pushed out by newer ones.
    """

    def __init__(self, folder: Path, *, most: int = 16) -> None:
        self.folder, self._most = folder, most
        self._files: Dict[str, SharedFile] = {}
        self._lock = threading.Lock()

    def get(self, name: str, *, size: int) -> SharedFile:
        """Return a file, mapped with at least so many bytes; do not close it. Raises what `SharedFile.open` raises."""
        with self._lock:
            file = self._files.pop(name, None)
            if file is not None and not (file.size >= size and file.is_in_place()):
                file.close()
                file = None
            self._files[name] = file = file or SharedFile.open(self.folder, name, size=size)
            while len(self._files) > self._most:
                self._files.pop(next(iter(self._files))).close()
            return file

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()


def sweep(folder: Path) -> Tuple[Path, ...]:
    """Remove the files whose owners are gone, and return them. Files of living owners, and those of others, stay."""
    return tuple(path for path in sorted(folder.glob("*" + ENDING)) if PLAIN_NAME.fullmatch(path.name) and _swept(path))


@dataclass(frozen=True)
class Picture:
    """One picture of a shared frame; `shape` is height, width[, channels]."""

    dtype: Dtype
    shape: Tuple[int, ...]


class SharedFrame:
    """Pictures side by side in one file: what a host puts in and what it gets back.

    with SharedFrame(folder, {"plate": Picture("float32", (1080, 1920, 4)), "alpha": Picture("float32", (1080, 1920))}) as frame:
        frame["plate"][...] = …             a memoryview of that shape; `numpy.asarray(frame["plate"])` writes in place
        client.call(ShotFrame(shot, 1001, frame.pixels("plate")))
    """

    def __init__(self, folder: Path, pictures: Mapping[str, Picture], *, rows: Rows = "down") -> None:
        self._pictures, self._rows = dict(pictures), rows
        self._offsets: Dict[str, int] = {}
        size = 0
        for name, picture in self._pictures.items():
            self._offsets[name] = size
            size += -(-byte_count(picture.dtype, picture.shape) // ALIGNED) * ALIGNED
        self.file = SharedFile.create(folder, size=size)
        self._given: List[memoryview] = []

    def __getitem__(self, name: str) -> memoryview:
        """Return a picture as a memoryview with its type and shape; float16 as its bits, which not every Python can name."""
        view = picture_view(self.file, self.pixels(name))
        self._given.append(view)
        return view

    def pixels(self, name: str) -> SharedPixels:
        """Return what a message says about a picture."""
        picture = self._pictures[name]
        return SharedPixels(self.file.path.name, self._offsets[name], picture.dtype, picture.shape, self._rows)

    def close(self) -> None:
        """Let go of the views and the file."""
        while self._given:
            _release(self._given.pop())
        self.file.close()

    def __enter__(self) -> SharedFrame:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def picture_view(file: SharedFile, pixels: SharedPixels) -> memoryview:
    """Return a picture in shared memory as a memoryview with its type and shape. Raises InputError when it lies outside the file."""
    try:
        end = pixels.offset + byte_count(pixels.dtype, pixels.shape)
    except ValueError as error:
        raise InputError(f"Shared memory {pixels.name} holds no such picture: {error}.", file=str(file.path)) from None
    if end > file.size or pixels.offset % ITEM_BYTES[pixels.dtype]:
        raise InputError(
            f"Shared memory {pixels.name} has {file.size} bytes; the picture takes {pixels.offset} to {end}.", file=str(file.path)
        )
    return file.view[pixels.offset : end].cast(CHARACTERS[pixels.dtype], pixels.shape)  # type: ignore[call-overload, no-any-return]


def _check_size(size: int) -> None:
    if not 0 < size <= SHARED_BYTES:
        raise InputError(f"Shared memory of {size} bytes is not allowed; 1 to {SHARED_BYTES} are.")


def _check_file(found: os.stat_result, path: Path, size: int) -> None:
    if not stat.S_ISREG(found.st_mode) or (os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o077)):
        raise NotAllowedError(f"Shared memory {path} is not a file of this user alone.", file=str(path))
    if found.st_size < size:
        raise InputError(f"Shared memory {path} has {found.st_size} bytes, {size} are needed.", file=str(path))


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


def _reserve_late(descriptor: int, path: Path, size: int) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise StorageError(f"There is no room for the shared memory {path}: {error.strerror}.", file=str(path)) from None


def _swept(path: Path) -> bool:
    """Remove a file when nobody holds its lock; return whether it is gone. A file is empty only before its owner locks it: it stays."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return False
        _lock(descriptor)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _release(view: memoryview) -> None:
    with contextlib.suppress(BufferError):
        view.release()
