"""Paths as a shot folder keeps them, so that a shot that is moved, alone or with its plates, finds its files again.

The rules:
- A path is kept relative to the shot folder where both lie below a common folder, with slashes; else as it is.
- How it was called when it was written down is kept beside it. It counts where the relative path leads to no file.
- Paths that begin at a root go through the shot's mapping rules first.
"""

from __future__ import annotations

import os
from pathlib import Path

from bridge.sequence import Sequence
from bridge.wire.mapping import WINDOWS, PathMap

from .manifest import Place


def noted(files: Sequence, *, folder: Path) -> Place:
    """Return a pattern as the shot in `folder` keeps it."""
    was = Path(os.path.abspath(files.folder)) / files.name
    real = os.path.realpath(files.folder)
    own = os.path.realpath(folder)
    try:
        common = Path(os.path.commonpath([real, own]))
        if common == Path(common.anchor):
            return Place(was.as_posix(), was.as_posix())
        relative = Path(os.path.relpath(real, own)) / files.name
    except ValueError:
        return Place(was.as_posix(), was.as_posix())
    return Place(relative.as_posix(), was.as_posix())


def found(place: Place, *, folder: Path, mapping: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the pattern that a shot in `folder` kept, where its files are now; where there are none, where they would be first."""
    rules = PathMap(mapping)
    own = os.path.realpath(folder)
    texts = [_absolute(text, own=own, rules=rules) for text in (place.path, place.was) if text]
    return next((text for text in texts if Sequence.parse(text).frames(allow_none=True)), texts[0])


def _absolute(text: str, *, own: str, rules: PathMap) -> str:
    if os.path.isabs(text) or WINDOWS.match(text):
        return rules.to_daemon(text)
    return os.path.normpath(os.path.join(own, text))
