"""Bounded lookahead: reading, computing and writing overlap, in order, without memory growing with the shot."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

DEPTH = 2
_END = object()


def ahead(items: Iterable[T], work: Callable[[T], R], *, depth: int = DEPTH, threads: int = 1) -> Generator[R, None, None]:
    """Yield `work(item)` in order while threads work on the next `depth` items.

    An exception in `work`, or in `items`, is raised where its result would have come. Closing the generator stops the threads.
    Each computes with as many threads as this one: OpenMP's count belongs to a thread, and a new one would begin with every core, so that
    the bytes of a frame would depend on whether it is its thread's first.
    """
    share = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead", initializer=torch.set_num_threads, initargs=(share,))
    waiting: deque[Future[R]] = deque()
    try:
        for future in _begun(items, work, pool):
            waiting.append(future)
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(items: Iterable[T], work: Callable[[T], R], pool: ThreadPoolExecutor) -> Iterator[Future[R]]:
    """Yield a future for each item; one that holds the exception where the items themselves fail."""
    try:
        for item in items:
            yield pool.submit(work, item)
    except Exception as error:
        failed: Future[R] = Future()
        failed.set_exception(error)
        yield failed


class Behind(Generic[T]):
    """A context that hands items to one writing thread, at most `depth` waiting; leaving it waits for the last.

    An exception in `work` is raised by the next `put`, or on leaving. When the body fails, waiting items are dropped; the one being
    written is finished, so that no file is left half-written.
    """

    def __init__(self, work: Callable[[T], None], *, depth: int = DEPTH) -> None:
        self._work = work
        self._items: queue.Queue[T | object] = queue.Queue(maxsize=depth)
        self._error: BaseException | None = None
        self._drop = False
        self._thread = threading.Thread(target=self._run, name="behind", daemon=True)

    def __enter__(self) -> Behind[T]:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Hand over an item; waits while `depth` are waiting already."""
        self._raise()
        self._items.put(item)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._drop = kind is not None
        self._items.put(_END)
        self._thread.join()
        if kind is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            self._drop = True
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while (item := self._items.get()) is not _END:
            if self._drop or self._error is not None:
                continue
            try:
                self._work(item)  # type: ignore[arg-type]
            except BaseException as error:
                self._error = error
