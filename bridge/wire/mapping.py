"""Paths of a client as the daemon sees them, and back: two machines seldom mount a disk at the same place.

The longest matching prefix counts, and whole folder names only: `/mnt/a` is no prefix of `/mnt/abc`. Prefixes with a drive letter or a
share (`P:`, `\\\\server`) match in upper and lower case and with either slash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional, Tuple

WINDOWS = re.compile(r"[A-Za-z]:|\\\\|//[^/]")


@dataclass(frozen=True)
class PathMap:
    """Pairs of a folder as the client sees it and the same folder as the daemon sees it."""

    pairs: Tuple[Tuple[str, str], ...] = ()

    def to_daemon(self, path: str) -> str:
        """Return a path of the client as the daemon sees it."""
        return _mapped(path, self.pairs)

    def to_client(self, path: str) -> str:
        """Return a path of the daemon as the client sees it."""
        return _mapped(path, tuple((daemon, client) for client, daemon in self.pairs))


def _mapped(path: str, pairs: Tuple[Tuple[str, str], ...]) -> str:
    fitting = [(len(source.rstrip("/\\")), source, target) for source, target in pairs if _rest(path, source) is not None]
    if not fitting:
        return path
    _, source, target = max(fitting)
    rest = _rest(path, source) or ""
    slash = "\\" if "\\" in target else "/"
    if WINDOWS.match(source):
        rest = rest.replace("\\", "/")
    bare = target.rstrip("/\\")
    if not rest:
        return bare if bare and not bare.endswith(":") else target
    return bare + slash + rest.replace("/", slash)


def _rest(path: str, prefix: str) -> Optional[str]:
    """Return what follows a prefix, without the slash between; None when it is not a prefix."""
    windows = bool(WINDOWS.match(prefix))
    plain_path, plain_prefix = (path.replace("\\", "/"), prefix.replace("\\", "/")) if windows else (path, prefix)
    plain_prefix = plain_prefix.rstrip("/")
    head, rest = plain_path[: len(plain_prefix)], path[len(plain_prefix) :]
    same = head.lower() == plain_prefix.lower() if windows else head == plain_prefix
    if not same or (rest and not rest.startswith(("/", "\\") if windows else "/")):
        return None
    return rest.lstrip("/\\" if windows else "/")
