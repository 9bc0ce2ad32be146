"""Ctrl-C, SIGTERM and a closed terminal: the frame being written is finished, nothing else is left behind.

The rules:
- Signals only leave a word. A command works in a thread of its own and looks for the word where stopping is safe, so nothing is ever
  torn in the middle of a write or a clean-up.
- As long as nothing can be half-written, or when the command does not stop in time, the process ends at once and takes its
  temporary files with it.
- A second signal changes nothing; there is no traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from bridge.wire.errors import InterruptedByUserError, TerminatedError, VideoMatteError

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
PATIENCE = 8.0  # seconds a command may take to stop at a safe place
LOOK_EVERY = 0.05
LONGEST_SAYING = 1.0  # seconds; a reader that does not read holds nobody up
SHOW_CURSOR = b"\r\n\x1b[?25h"


class Stop:
    """Whether somebody asked to stop, and what must not be torn.

    `careful` is set by a command from its first possible write on; `folders` are those it writes to; `remedy` says how to go on.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.since = 0.0
        self.careful = False
        self.folders: set[Path] = set()
        self.remedy = ""

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        """Leave the word: a signal handler."""
        if self.number is None:
            self.number, self.since = number, time.monotonic()

    def check(self) -> None:
        """Raise InterruptedByUserError or TerminatedError when somebody asked to stop."""
        if self.number is not None:
            raise self.error()

    def error(self) -> VideoMatteError:
        """Return what to say and exit with."""
        if self.number == signal.SIGINT:
            return InterruptedByUserError("Stopped by Ctrl-C.", remedy=self.remedy)
        return TerminatedError("Stopped: the process was asked to end.", remedy=self.remedy)

    def due(self) -> bool:
        """Tell whether to wait no longer for the command."""
        return self.number is not None and (not self.careful or time.monotonic() - self.since > PATIENCE)

    def unfinished(self) -> list[Path]:
        """Return this process's temporary files in the folders it writes to."""
        return [path for folder in self.folders for path in folder.glob(f".videomatte~*~{os.getpid()}~*.tmp")]


@contextmanager
def heard(*, for_good: bool) -> Iterator[Stop]:
    """Hear signals while inside. A signal that was ignored stays ignored.

    `for_good`: afterwards nothing is left to tear, and signals are ignored, so that none ends the process before its status does.
    """
    stop, before = Stop(), {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop.ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if for_good else handler)


def obeyed(work: Callable[[], int], *, stop: Stop, said: Callable[[VideoMatteError], None], notice: Callable[[], None]) -> int:
    """Return the exit status of `work`, done in a thread of its own; end the process when it does not stop in time.

    `notice` is called once when a command that is asked to stop has something to finish first; `said` before the process is ended.
    """
    status: list[int] = []
    noticed = False
    thread = threading.Thread(target=lambda: status.append(work()), name="command", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(LOOK_EVERY)
        if thread.is_alive() and stop.due():
            _end(stop, said)
        if thread.is_alive() and stop.number is not None and not noticed:
            noticed = True
            notice()
    return status[0] if status else 1


def _end(stop: Stop, said: Callable[[VideoMatteError], None]) -> None:
    """End the process here and now, without its temporary files."""
    error = stop.error()
    saying = threading.Thread(target=said, args=(error,), daemon=True)
    saying.start()
    saying.join(LONGEST_SAYING)
    for path in stop.unfinished():
        with suppress(OSError):
            path.unlink()
    _sweep_scratch()
    if not saying.is_alive():
        _leave_the_terminal()
    os._exit(error.exit_status)


def _leave_the_terminal() -> None:
    """Show the cursor that a progress bar hid."""
    with suppress(OSError, ValueError):
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), SHOW_CURSOR)


def _sweep_scratch() -> None:
    """Remove the scratch folders of this process, when it got as far as having some."""
    scratch = sys.modules.get("bridge.solve.scratch")
    if scratch is not None:
        scratch.sweep(own=True)
