"""Which paths a client may name: anything for this machine's user, only the listed folders for clients with a key. Links are resolved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bridge.sequence import Sequence
from bridge.shot.folder import HERE, Shot
from bridge.wire.description import Description
from bridge.wire.errors import NotAllowedError, UsageError, VideoMatteError
from bridge.wire.mapping import PathMap

PATHS = ("plate", "trimap", "out", "trimap_out", "foreground", "garbage", "holdout")


@dataclass(frozen=True)
class Guard:
    """What one client may name, and how it sees paths. `folders` is None for a client that may name anything."""

    path_map: PathMap
    folders: tuple[Path, ...] | None

    def path(self, text: str) -> str:
        """Return a client's path as this machine sees it. Raises UsageError when it is relative, NotAllowedError when it is not allowed."""
        seen = self.path_map.to_daemon(text)
        if not os.path.isabs(seen):
            raise UsageError(f"{text} is not a whole path.", remedy="A daemon has no folder of its own to start from: give the whole path.")
        self.check(Path(seen), named=text)
        return seen

    def description(self, asked: Description, *, in_folder: bool = False) -> Description:
        """Return a description with every path as this machine sees it; the foreground of a shot folder may lie in it, which is no path.

        Raises UsageError, NotAllowedError.
        """
        named = {name: getattr(asked, name) for name in PATHS}
        if in_folder and asked.foreground == HERE:
            del named["foreground"]
        seen: dict[str, Any] = {name: self.path(text) for name, text in named.items() if text}
        return replace(asked, **seen)

    def shot(self, folder: str | None, description: Description) -> None:
        """Judge all that a shot means now, the folder itself or a loose shot's description: links and shot.json may have changed.

        Raises NotAllowedError, ShotError.
        """
        if self.folders is None:
            return
        if folder is not None:
            self.links(Path(folder))
            description = Shot.open(folder).description
        self.files(description)

    def files(self, asked: Description) -> None:
        """Check every place that a description names and every file there, one by one: a link may lead anywhere. Raises NotAllowedError."""
        for sequence in self._sequences(asked) if self.folders is not None else ():
            self.check(sequence.folder, named=str(sequence))
            for frame in sequence.frames(allow_none=True):
                self.check(sequence.path(frame), named=str(sequence.path(frame)))

    def links(self, folder: Path) -> None:
        """Check a shot folder and every link in it. Raises NotAllowedError."""
        self.check(folder, named=str(folder))
        for where, folders, files in os.walk(folder) if self.folders is not None else ():
            for path in (Path(where, name) for name in (*folders, *files)):
                if path.is_symlink():
                    self.check(path, named=str(path))

    def check(self, path: Path, *, named: str) -> None:
        """Raise NotAllowedError when a path, its links resolved, lies in none of the folders."""
        if self.folders is None:
            return
        real = Path(os.path.realpath(path))
        if not any(real == folder or folder in real.parents for folder in self.folders):
            raise NotAllowedError(
                f"{named} is outside the folders that this client may use.",
                remedy="Ask whoever runs the daemon to start it with --folder for it.",
                file=named,
            )

    @staticmethod
    def _sequences(asked: Description) -> Iterator[Sequence]:
        for name in (f.name for f in fields(asked) if f.name in PATHS):
            text = getattr(asked, name)
            if text and (name, text) != ("foreground", HERE):
                try:
                    yield Sequence.parse(text)
                except VideoMatteError:
                    continue
