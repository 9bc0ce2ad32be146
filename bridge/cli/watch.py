"""`videomatte watch`: shots that arrive in a folder are solved by the daemon and delivered, unattended."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.wire.errors import InputError

from . import arguments as read
from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    from bridge.watch.runner import Report, Runner
    from bridge.watch.watcher import Change, Watcher

SETTLE, INTERVAL = 10.0, 5.0
DRAW_EVERY = 0.5
OUT = "mattes"


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("watch", help="solve the shots that arrive in a folder", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("folder", metavar="FOLDER", help="where shots arrive")
    parser.add_argument("--out", metavar="DIR", help=f"where results go, a folder for each shot; FOLDER/{OUT} when left out")
    parser.add_argument("--settle", type=seconds, default=SETTLE, metavar="S", help=f"seconds without a change ({SETTLE:g})")
    parser.add_argument("--interval", type=seconds, default=INTERVAL, metavar="S", help=f"seconds between two looks ({INTERVAL:g})")
    parser.add_argument("--once", action="store_true", help="solve what is complete, then exit: 0, or 3 when a shot failed")
    parser.add_argument("--rule", action="append", metavar="RULE", help="'SHOT/plate.####.exr = SHOT/trimap.####.* | …'; may be repeated")
    parser.add_argument("--at-once", type=int, choices=range(1, 9), default=2, metavar="N", help="shots in work together, 1 to 8 (2)")
    parser.add_argument("--retry", action="store_true", help="try shots again that failed before; else they wait for files to change")
    parser.add_argument("--no-launch", action="store_true", help="do not start a daemon when none answers")
    parser.add_argument("--no-report", action="store_true", help="make no report.html")
    parser.add_argument("--metrics", metavar="[HOST:]PORT", help="answer Prometheus at /metrics; on this machine only without a HOST")
    parser.add_json()


def seconds(text: str) -> float:
    """Read a time in seconds. Raises ArgumentTypeError."""
    return read.number(text, lambda value: 0 <= value < 1e6, what="a number of seconds")


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Watch as typed. Raises VideoMatteError; InputError at the end of --once when a shot failed."""
    from bridge.watch import metrics
    from bridge.watch.watcher import Choices, Watcher

    folder = Path(os.path.abspath(os.path.expanduser(typed.folder)))
    choices = Choices(
        folder=folder,
        out=Path(os.path.abspath(os.path.expanduser(typed.out))) if typed.out else folder / OUT,
        settle=typed.settle,
        interval=max(0.1, min(typed.interval, typed.settle)) if typed.once else max(0.1, typed.interval),
        once=typed.once,
        **({"rules": tuple(typed.rule)} if typed.rule else {}),
        at_once=typed.at_once,
        retry=typed.retry,
    )
    stop.careful = True
    stop.remedy = "The daemon goes on with what it is at; the same command goes on from there."
    voice = Voice(console)
    watcher = Watcher(choices, runner=_maker(typed), say=voice)
    with metrics.served(watcher, typed.metrics) if typed.metrics else nullcontext(), voice.shown(watcher) as draw:
        status = watcher.run(check=lambda: _between(stop, draw))
    voice.end(watcher)
    if status:
        failed = sorted(name for name, shot in watcher.shots.items() if shot.state.value == "failed")
        raise InputError(f"{len(failed)} failed: {', '.join(failed[:9])}", remedy="status.json beside each result says why.")


def _between(stop: Stop, draw: Callable[[], None]) -> None:
    stop.check()
    draw()


def _maker(typed: argparse.Namespace) -> Callable[[Callable[[], bool]], Runner]:
    """Return what makes runners as typed."""
    from bridge.watch.runner import Runner

    lock = threading.Lock()

    def ready() -> None:
        from bridge.launch import launch

        with lock:
            launch()

    def make(stopped: Callable[[], bool]) -> Runner:
        return Runner(stopped=stopped, report=None if typed.no_report else _report(), ready=None if typed.no_launch else ready)

    return make


def _report() -> Report:
    def write(folder: Path, path: Path) -> None:
        from bridge.report.shot import write_report

        write_report(folder, path)

    return write


class Voice:
    """Tells a person or a program how shots change; on a terminal as a page that is drawn anew."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = False
        self._drawn = 0.0

    def __call__(self, change: Change) -> None:
        from bridge.watch.watcher import status_of

        self._console.event("shot", **status_of(change.shot))
        if self._live or (change.shot.soon and change.state.value == "waiting"):
            return
        more = f": {change.reason}" if change.reason else ""
        waits = " for" if change.state.value == "waiting" and more else ""
        self._console.note(f"{change.shot.name}  {change.state.value}{waits}{more}")

    @contextmanager
    def shown(self, watcher: Watcher) -> Iterator[Callable[[], None]]:
        """Show the page while inside, on a terminal; gives what draws it."""
        if self._console.as_json or not sys.stderr.isatty():
            yield lambda: None
            return
        from bridge.watch.view import Page

        with Page(watcher) as page:
            self._live = True
            yield lambda: self._draw(page.draw)

    def _draw(self, draw: Callable[[], None]) -> None:
        if time.monotonic() - self._drawn >= DRAW_EVERY:
            self._drawn = time.monotonic()
            draw()

    def end(self, watcher: Watcher) -> None:
        """Say what all came to."""
        from bridge.watch.watcher import states

        counts = {state.value: count for state, count in states(watcher.shots) if count}
        self._console.event("end", shots=counts, looks=watcher.looks, seconds_looking=round(watcher.seconds_looking, 4))
        self._console.say(", ".join(f"{count} {state}" for state, count in counts.items()) or "No shots.")
