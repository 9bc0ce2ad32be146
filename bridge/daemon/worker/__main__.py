"""A worker: the process that owns one device and does the tasks it is given, one inside another when it must.

Run as `python -m bridge.daemon.worker --device auto|cpu|cuda[:N]` with the front at its standard input and output. It looks for
instructions at every frame boundary, so that a preview, another shot's turn or a cancel waits for one frame at most.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from bridge.wire.messages import Error

from .. import link
from ..tasks import Kind
from .steps import Desk, DroppedError

BEAT_SECONDS = 1.0
log = logging.getLogger(__name__)


class Worker:
    """Does tasks. Everything that computes runs in the main thread; others only listen, write files and beat."""

    def __init__(self, desk: Desk, *, say: Callable[[link.Said], None], inbox: queue.Queue[link.Said]) -> None:
        self._desk, self._say, self._inbox = desk, say, inbox
        self._stack: list[int] = []
        self._ending: set[int] = set()
        self._dropped: set[int] = set()

    def run(self) -> None:
        """Do what is asked until told to quit."""
        with suppress(QuitNowError):
            while True:
                self._obey(self._inbox.get())

    def between(self) -> bool:
        """Do what is asked between two frames; return whether the innermost task goes on. Raises DroppedError, QuitNowError."""
        while True:
            try:
                said = self._inbox.get_nowait()
            except queue.Empty:
                break
            self._obey(said)
        if self._stack[-1] in self._dropped:
            raise DroppedError
        return self._stack[-1] not in self._ending

    def _obey(self, said: link.Said) -> None:
        match said:
            case link.Perform():
                self._perform(said)
            case link.EndTurn():
                self._ending.add(said.number)
            case link.Drop():
                self._dropped.add(said.number)
            case link.Quit():
                raise QuitNowError

    def _perform(self, said: link.Perform) -> None:
        task = said.task
        self._stack.append(task.number)
        try:
            if task.number not in self._dropped:
                result = self._desk.perform(task, said.order, say=self._say, between=self.between)
                self._say(link.Finished(task.number, *result))
        except DroppedError:
            self._say(link.Finished(task.number))
        except QuitNowError:
            raise
        except BaseException as error:
            self._say(self._failure(task.number, task.kind, error))
        finally:
            self._stack.pop()
            self._ending.discard(task.number)
            self._dropped.discard(task.number)

    def _failure(self, number: int, kind: Kind, error: BaseException) -> link.Failed:
        from bridge.failures import explained, is_memory

        known = explained(error)
        log.info("%s task %d failed: %s", kind.value, number, known.message)
        return link.Failed(number, vars(Error.of(known)), memory=is_memory(error))


class QuitNowError(BaseException):
    """The worker is to end."""


class Voice:
    """Writes lines to the front; several threads speak."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def __call__(self, said: link.Said) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(link.line(said))
            self._stream.flush()


def listen(stream: BinaryIO, inbox: queue.Queue[link.Said]) -> None:
    """Put what the front says into the inbox; when it is gone, end this process at once: what it was writing has no final name yet."""
    for text in stream:
        said = link.heard(text)
        inbox.put(said)
        if isinstance(said, link.Quit):
            return
    os._exit(0)


def beat(desk: Desk, say: Voice) -> None:
    """Tell the front, every second, that the process lives and what memory it holds."""
    pause = threading.Event()
    while not pause.wait(BEAT_SECONDS):
        say(link.Beat(*desk.memory()))


def main(typed: list[str] | None = None) -> int:
    """Run a worker; return its exit status."""
    parser = argparse.ArgumentParser(prog="videomatte-worker", description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--memory", type=int, default=0, help="bytes it may use; 0 for no limit")
    parser.add_argument("--shared", type=Path, default=None, help="the folder of shared memory")
    chosen = parser.parse_args(typed)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d %(message)s", stream=sys.stderr)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        say = Voice(out)
        inbox: queue.Queue[link.Said] = queue.Queue()
        _start(listen, sys.stdin.buffer, inbox)
        desk = _desk(chosen, say)
        say(desk.ready())
        _start(beat, desk, say)
        Worker(desk, say=say, inbox=inbox).run()
    return 0


def _desk(chosen: argparse.Namespace, say: Voice) -> Desk:
    """Return the desk; when there is none, such as for a device that is not there, tell the front why and end.

    The process ends at once: the thread that listens would not let Python end in peace.
    """
    from bridge.failures import explained

    try:
        return Desk(chosen.device, memory=chosen.memory, shared=chosen.shared)
    except BaseException as error:
        known = explained(error)
        say(link.Failed(0, vars(Error.of(known))))
        os._exit(known.exit_status)


def _start(work: Callable[..., None], *given: Any) -> None:
    threading.Thread(target=work, args=given, name=work.__name__, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
