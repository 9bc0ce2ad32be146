"""One look at a watched folder: every image and every word for us in it, with size and time. Nothing is opened.

The rules:
- A folder that cannot be listed keeps what it had: unknown is not gone.
- Hidden names, unfinished copies, our own results and everything that is no image are not seen.
- A folder that leads back to itself is followed once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .rules import IMAGES

log = logging.getLogger(__name__)
Stamp = tuple[int, int]
"""Bytes and time of change in nanoseconds."""
Listing = Mapping[str, Stamp]

WORDS = frozenset({"videomatte.toml", "job.json", "ready"})
NOTHING: Listing = MappingProxyType({})
MARK = ".videomatte-out"
"""A file of this name marks a folder of results, which no watcher looks into."""


class Scanner:
    """Looks at a folder again and again. `tree` is what was seen last: names with stamps, by folder relative to the watched one."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self.tree: dict[str, Listing] = {}
        self.lost: tuple[str, ...] = ()
        self.files = 0

    def scan(self) -> frozenset[str]:
        """Look again and return the folders whose images changed; `lost` are those that could not be listed."""
        before, self.tree, lost, seen = self.tree, {}, [], set()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                identity = os.stat(self._path(folder))
                if (identity.st_dev, identity.st_ino) in seen:
                    continue
                seen.add((identity.st_dev, identity.st_ino))
                listing, below = _listed(self._path(folder))
            except OSError as error:
                log.info("%s cannot be listed: %s", self._path(folder), error.strerror)
                lost.append(folder)
                self._keep(before, folder)
                continue
            if listing is not None:
                known = before.get(folder)
                self.tree[folder] = known if known == listing else listing
                waiting.extend(f"{folder}/{name}" if folder else name for name in below)
        self.lost, self.files = tuple(lost), sum(map(len, self.tree.values()))
        return frozenset(
            f
            for f in {*before, *self.tree}
            if before.get(f, NOTHING) is not self.tree.get(f, NOTHING) and (before.get(f) or self.tree.get(f))
        )

    def _path(self, folder: str) -> str:
        return f"{self._root}/{folder}" if folder else self._root

    def _keep(self, before: Mapping[str, Listing], folder: str) -> None:
        inside = f"{folder}/" if folder else ""
        self.tree.update({f: listing for f, listing in before.items() if f == folder or f.startswith(inside)})


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file, None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _listed(path: str) -> tuple[dict[str, Stamp] | None, list[str]]:
    """Return the files of a folder that matter and the folders in it; no files at all for a folder of results. Raises OSError."""
    files: dict[str, Stamp] = {}
    below: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if name[0] in ".~":
                if name == MARK:
                    return None, []
                continue
            if name.rpartition(".")[2].lower() in IMAGES or name in WORDS:
                try:
                    found = entry.stat()
                except OSError:
                    continue
                if not found.st_mode & 0o040000:
                    files[name] = (found.st_size, found.st_mtime_ns)
            elif not name.endswith(".vmatte") and _is_folder(entry):
                below.append(name)
    return files, below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder; a link that leads nowhere is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
