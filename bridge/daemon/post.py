"""The front's letter box: other threads put things in, and the loop wakes up to take them out."""

from __future__ import annotations

import queue
import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

CLERKS = 4  # two that wait for a dead mount leave two


class Post:
    """A thread-safe box of calls to be made in the loop's own thread. `bell` becomes readable when there is one."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.bell, self._ring = socket.socketpair()
        self.bell.setblocking(False)
        self._ring.setblocking(False)

    def put(self, call: Callable[[], None]) -> None:
        """Have a call made in the loop, soon."""
        self._calls.put(call)
        with suppress(OSError):
            self._ring.send(b"\0")

    def taken(self) -> Iterator[Callable[[], None]]:
        """Yield what is in the box now; what is put in meanwhile, by these calls too, has its turn next time."""
        with suppress(OSError):
            self.bell.recv(4096)
        for _ in range(self._calls.qsize()):
            yield self._calls.get()

    def close(self) -> None:
        """Give the bell back."""
        self.bell.close()
        self._ring.close()


class Clerks:
    """A few threads for work on disk, so that the loop never waits for one. Work on one `strand` is done in the order it was asked for."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._threads = ThreadPoolExecutor(CLERKS, thread_name_prefix="clerk")
        self._strands: dict[str, deque[Callable[[], None]]] = {}

    def ask(self, strand: str, work: Callable[[], Any], *, then: Callable[[Any], None], otherwise: Callable[[BaseException], None]) -> None:
        """Do `work` in a thread; afterwards call `then` with its result, or `otherwise` with its error, in the loop."""

        def begin() -> None:
            self._threads.submit(work).add_done_callback(report)

        def report(done: Future[Any]) -> None:
            self._post.put(lambda: end(done))

        def end(done: Future[Any]) -> None:
            self._next(strand)
            if done.cancelled():
                return
            error = done.exception()
            then(done.result()) if error is None else otherwise(error)

        waiting = self._strands.get(strand)
        if waiting is None:
            self._strands[strand] = deque()
            begin()
        else:
            waiting.append(begin)

    def close(self) -> None:
        """End the threads when what they are at is done."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _next(self, strand: str) -> None:
        waiting = self._strands[strand]
        if waiting:
            waiting.popleft()()
        else:
            del self._strands[strand]
