"""What the parts of bridge log while a command runs, as sentences for the person at the console."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .console import Console

KEYS = "bridge.shot.keys"


class Remarks(logging.Handler):
    """Passes warnings on, and which channel the trimaps are read from: once for each channel."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self.channels: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._console.warn(record.getMessage())
        elif record.name == KEYS and isinstance(record.args, tuple) and len(record.args) == 3:
            frame, channel, path = record.args
            if channel not in self.channels.values():
                self._console.note(f"The trimap is read from channel {channel} of {path}.")
            self.channels[int(str(frame))] = str(channel)


@contextmanager
def heard(console: Console) -> Iterator[Remarks]:
    """Pass on what bridge logs while inside, and keep what libraries warn of away from the console."""
    remarks, root = Remarks(console), logging.getLogger("bridge")
    level, propagate = root.level, root.propagate
    root.setLevel(logging.INFO)
    root.propagate = False
    root.addHandler(remarks)
    try:
        yield remarks
    finally:
        root.removeHandler(remarks)
        root.setLevel(level)
        root.propagate = propagate
