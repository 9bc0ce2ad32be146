"""Whether files decode: each is read whole once, by one thread, after it has stayed as it is. Only that proves that a copy is complete.

A file that does not is tried again, three times in all; a file that changes begins anew.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bridge import exr
from bridge.wire.errors import ImageError, VideoMatteError

from .found import Found
from .scan import Stamp

TRIES = 3
MOST = 200_000  # files that are remembered


@dataclass(frozen=True)
class Asked:
    """A file as it was when it was asked about, and how it will be read."""

    path: str
    stamp: Stamp
    key: bool
    layer: str | None = None
    view: str | None = None
    channel: str | None = None


@dataclass(frozen=True)
class Tried:
    """How often a file was read, whether it decodes, and if not, why."""

    tries: int = 0
    whole: bool = False
    error: VideoMatteError | None = None
    again_at: float = 0.0


class Decoder:
    """Reads files in a thread of its own, which ends with the process."""

    def __init__(self, *, pause: float) -> None:
        """pause: seconds before an undecodable file is tried again; twice that the second time."""
        self._pause = pause
        self._tried: OrderedDict[Asked, Tried] = OrderedDict()
        self._waiting: OrderedDict[Asked, None] = OrderedDict()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def check(self, found: Found, *, now: float) -> tuple[int, VideoMatteError | None]:
        """Return how many files of a shot are still to be proved, and the error of one that never will be. Asks for what is not known."""
        left, failed = 0, None
        with self._news:
            for asked in of(found):
                tried = self._tried.get(asked, Tried())
                if tried.whole:
                    continue
                left += 1
                if tried.tries >= TRIES:
                    failed = failed or tried.error
                elif now >= tried.again_at:
                    self._waiting.setdefault(asked)
            self._news.notify()
        if left and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="decode", daemon=True)
            self._thread.start()
        return left, failed

    def forget(self, found: Found) -> None:
        """Forget how often files of a shot were tried."""
        with self._news:
            for asked in of(found):
                if not self._tried.get(asked, Tried(whole=True)).whole:
                    del self._tried[asked]

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._waiting:
                    self._news.wait()
                asked = next(iter(self._waiting))
                before = self._tried.get(asked, Tried())
            error = decoded(asked)
            tried = Tried(before.tries + 1, error is None, error)
            with self._news:
                if error is not None:
                    tried = replace(tried, again_at=time.monotonic() + self._pause * tried.tries)
                self._tried[asked] = tried
                self._waiting.pop(asked, None)
                while len(self._tried) > MOST:
                    self._tried.popitem(last=False)


def of(found: Found) -> Iterable[Asked]:
    """Yield the files of a shot that must decode."""
    said = found.settings
    for frame in found.solved_frames:
        path = found.frames[frame]
        yield Asked(path, found.stamps[path], False, said.layer, said.view)
    for path in found.keys.values():
        yield Asked(path, found.stamps[path], True, channel=said.trimap_channel)


def decoded(asked: Asked) -> VideoMatteError | None:
    """Read a file whole; return why it cannot be."""
    try:
        if asked.key:
            exr.read_channel(Path(asked.path))
        else:
            exr.read_plate(Path(asked.path), layer=asked.layer, view=asked.view)
    except VideoMatteError as error:
        return error
    except Exception as error:
        return ImageError(f"{asked.path} cannot be decoded: {error}", remedy="Deliver it again.", file=asked.path)
    return None
