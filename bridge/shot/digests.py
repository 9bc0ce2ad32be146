"""What is known of files without reading them again: digests of inputs, content keys of results; `digests.json` in a shot folder.

The rules:
- An entry counts only while size, times and inode are what they were.
- A file younger than two seconds is never remembered: it could change again within one tick of the file system's clock.
- The file can be lost or damaged at any time; then everything is read again.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bridge import exr
from bridge.exr.landing import landing
from bridge.wire.errors import StorageError

from .content import file_digest

YOUNG_SECONDS = 2.0
SPARE = 4  # results that are remembered for each one that is there
Result = tuple[str, str]


class Digests:
    """Remembers digests of files by their path, and content keys of results by their inode, which hard links share."""

    def __init__(self, path: Path) -> None:
        """path: where they are kept; nothing needs to exist."""
        self._path, self._folder = path, os.path.realpath(path.parent)
        self._lock = threading.Lock()
        self._inputs: dict[str, list[Any]] = {}
        self._results: dict[str, list[str]] = {}
        self._seen: set[str] = set()
        self._folders: dict[Path, str] = {}
        self._changed = False
        self._load()

    def __call__(self, path: Path, *, frame: int | None = None) -> str:
        """Return the digest of a file's bytes. Raises ImageError naming file and frame."""
        name = self._name(path)
        before = identity(path)
        known = self._inputs.get(name)
        if before is not None and known is not None and known[:-1] == before:
            return str(known[-1])
        digest = file_digest(path, frame=frame)
        after = _status(path)
        if before is not None and after is not None and before == _identity(after) and not _young(after):
            with self._lock:
                self._inputs[name] = [*before, digest]
                self._changed = True
        return digest

    def result(self, path: Path) -> Result | None:
        """Return content key and confidence ("" where it has none) of a file of ours, None for one that is not ours or is not there."""
        status = _status(path)
        if status is None:
            return None
        name = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
        with self._lock:
            self._seen.add(name)
            known = self._results.get(name)
        if known is not None:
            return known[0], known[1]
        provenance = exr.read_provenance(path)
        if provenance is None:
            return None
        found = (provenance.get("content", ""), provenance.get("confidence", ""))
        if status.st_ino and not _young(status):
            with self._lock:
                self._results[name] = list(found)
                self._changed = True
        return found

    def content(self, path: Path) -> str | None:
        """Return the content key of a file of ours, None for one that is not ours or is not there."""
        found = self.result(path)
        return None if found is None else found[0]

    def _name(self, path: Path) -> str:
        """Return how an input is called here, from the shot's folder; the way to a folder is followed once."""
        if path.parent not in self._folders:
            self._folders[path.parent] = os.path.relpath(os.path.realpath(path.parent), self._folder)
        return os.path.normpath(os.path.join(self._folders[path.parent], path.name))

    def save(self) -> None:
        """Keep what is known for the next time, where the folder can be written."""
        with self._lock:
            if not self._changed:
                return
            if len(self._results) > SPARE * len(self._seen):
                self._results = {name: self._results[name] for name in self._seen if name in self._results}
            text = json.dumps({"inputs": self._inputs, "results": self._results}, separators=(",", ":"))
            self._changed = False
        with suppress(StorageError), landing(self._path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _load(self) -> None:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            inputs = {str(k): list(v) for k, v in found["inputs"].items() if len(v) == 5 and isinstance(v[4], str)}
            results = {str(k): [str(v[0]), str(v[1])] for k, v in found["results"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            return
        self._inputs, self._results = inputs, results


def identity(path: Path) -> list[int] | None:
    """Return what tells whether anybody touched a file: size, times and inode; None for one that is not there."""
    status = _status(path)
    return None if status is None else _identity(status)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _young(status: os.stat_result) -> bool:
    return time.time() - max(status.st_mtime, status.st_ctime) < YOUNG_SECONDS
