"""What a person should know of a task besides its result: the warnings that were logged while it was done."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

ROOT = "bridge"
MOST = 50


class Hearing(logging.Handler):
    """Keeps the warnings it hears, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self.heard and len(self.heard) < MOST:
            self.heard.append(text)


@contextmanager
def notes() -> Iterator[list[str]]:
    """Give the warnings that are logged inside; those of a task done in between are its own and these."""
    hearing = Hearing()
    logging.getLogger(ROOT).addHandler(hearing)
    try:
        yield hearing.heard
    finally:
        logging.getLogger(ROOT).removeHandler(hearing)
