"""Frame lists as artists type them: `1001,1040-1100x20`. Numbers may be negative: `-5--1`."""

from __future__ import annotations

import re
from typing import Iterable, List, Set, Tuple

from .complaints import NodeError

PART = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?")
MOST = 100_000


def parsed(text: str, *, what: str) -> Tuple[int, ...]:
    """Return the frames of a list, ascending, each once. Raises NodeError that names the knob `what`."""
    frames: Set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        if part:
            frames.update(_span(part, what))
    return tuple(sorted(frames))


def _span(part: str, what: str) -> range:
    found = PART.fullmatch(part)
    if found is None:
        raise NodeError("%s: %r is no frame or range." % (what, part), remedy="Write frames like 1001,1040-1100x20.")
    first = int(found[1])
    last, step = int(found[2] or first), int(found[3] or 1)
    if last < first or step < 1 or last - first > MOST:
        raise NodeError("%s: %r counts backwards, stands still or is too long." % (what, part), remedy="Write frames like 1001-1100x20.")
    return range(first, last + 1, step)


def written(frames: Iterable[int]) -> str:
    """Return frames as a list that `parsed` reads back: neighbours become ranges."""
    runs: List[List[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(str(first) if first == last else "%d-%d" % (first, last) for first, last in runs)
