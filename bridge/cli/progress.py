"""How far a solve is: a bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from .console import Console

STAGES = {"propagate": "Trimaps", "matte": "Mattes"}
SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """Shows how far each stage is."""

    def advance(self, stage: str, *, done: int, total: int) -> None:
        """Show that `done` of `total` frames of a stage are done."""


class Speed:
    """Frames per second of each stage, and the time its rest will take; measured from the end of its first frame on."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[float, int]] = {}

    def measure(self, stage: str, *, done: int, total: int) -> tuple[float | None, float | None]:
        """Return frames per second and seconds left; None while there is nothing to tell from."""
        now = time.monotonic()
        began, first = self._first.setdefault(stage, (now, done))
        if done <= first or now <= began:
            return None, None
        rate = (done - first) / (now - began)
        return rate, (total - done) / rate


class Lines:
    """A line at most every ten seconds, and one at the end of each stage."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._speed, self._said = say, Speed(), time.monotonic()

    def advance(self, stage: str, *, done: int, total: int) -> None:
        rate, left = self._speed.measure(stage, done=done, total=total)
        if done < total and time.monotonic() - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = time.monotonic()
        line = f"{STAGES[stage]} {done}/{total}"
        if rate is not None and left is not None:
            line += f", {rate:.2f} frames/s" + (f", {clock(left)} left" if done < total else "")
        self._say(line)


def clock(seconds: float) -> str:
    """Write seconds as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Show a person progress on stderr while inside."""
    if console.as_json or not sys.stderr.isatty():
        yield Lines(console.note)
    else:
        from .bars import bars

        with bars() as progress:
            yield progress
