"""Bounded lookahead: reading, computing and writing overlap, in order, without memory growing with the shot."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

DEPTH = 2
_END = object()


def ahead(items: Iterable[T], work: Callable[[T], R], *, depth: int = DEPTH) -> Generator[R, None, None]:
    """Yield `work(item)` in order while a thread works at most `depth` results ahead.

    An exception in `work` is raised where its result would have come. Closing the generator stops the thread.
    """
    results: queue.Queue[tuple[object, BaseException | None]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(entry: tuple[object, BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                results.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not put((work(item), None)):
                    return
            put((_END, None))
        except BaseException as error:
            put((_END, error))

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        yield from _taken(results)
    finally:
        stop.set()
        thread.join()


def _taken(results: queue.Queue[tuple[object, BaseException | None]]) -> Iterator[R]:
    while True:
        result, error = results.get()
        if error is not None:
            raise error
        if result is _END:
            return
        yield result  # type: ignore[misc]


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
