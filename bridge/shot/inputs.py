"""The files that a plan is made of: each is named by its bytes once, and what is read of it later is of those bytes or an error.

The rules:
- A file is named before anything is read of it that ends up under its name.
- A file that nobody touched since it was named is what it was. One that was touched is read again between two looks at its bytes, since it
  may have been changed and changed back; some disks say of every file that it was touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bridge.wire.errors import ShotError

from .content import Digest, file_digest
from .digests import identity

T = TypeVar("T")
Named = tuple[list[int] | None, str | None]


class Inputs:
    """Names files and reads them. Threads may do so at once."""

    def __init__(self, digest: Digest = file_digest) -> None:
        """digest: what names a file by its bytes as they are now."""
        self._digest = digest
        self._named: dict[str, Named] = {}

    def __call__(self, path: Path, *, frame: int | None = None) -> str:
        """Return the digest that a file had when it was first asked for. Raises ImageError naming file and frame."""
        return self._first(path, lambda: self._digest(path, frame=frame)) or self._digest(path, frame=frame)

    def find(self, path: Path, *, frame: int | None = None) -> str | None:
        """Return the digest of a file, None for one that was not there when it was first asked for. Raises ImageError."""
        return self._first(path, lambda: self._digest(path, frame=frame) if path.exists() else None)

    def read(self, path: Path, reading: Callable[[], T], *, frame: int | None = None) -> T:
        """Return what is read of a file; of one that was named, from the bytes that it was named by.

        Raises ShotError when it holds others by now, and what the reading raises.
        """
        named = self._named.get(os.fspath(path))
        if named is None:
            return reading()
        found, now = reading(), identity(path)
        if now is not None and now == named[0]:
            return found
        self._check(path, named[1], frame)
        found, last = reading(), identity(path)
        if last != now:
            self._check(path, named[1], frame)
        self._named[os.fspath(path)] = last, named[1]
        return found

    def _check(self, path: Path, name: str | None, frame: int | None) -> None:
        """Raise ShotError when a file has other bytes now than it was named by."""
        if self._digest(path, frame=frame) != name:
            raise ShotError(
                f"{path} was changed while it was in use.",
                remedy="Try again when nobody writes it any more; what is finished is kept.",
                file=str(path),
                frame=frame,
            )

    def _first(self, path: Path, name: Callable[[], str | None]) -> str | None:
        """Name a file that has no name yet. Its identity is taken before: a change in between is seen when it is read."""
        text = os.fspath(path)
        if text not in self._named:
            self._named.setdefault(text, (identity(path), name()))
        return self._named[text][1]
