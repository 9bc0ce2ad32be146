"""`videomatte stop` and `videomatte release`: end the daemon in peace, or have it give the memory of its devices back."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.wire.errors import DaemonUnreachableError, ResourceError

from . import arguments as read
from .asking import asked
from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    from bridge.wire.messages import DaemonShutdown

PATIENCE = 60.0  # seconds that the process may take to end
LAST_WORDS = 3.0  # seconds, when nothing was heard of it any more
LOOK_EVERY = 0.05


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommands and what may be typed after them."""
    what = "Stop the daemon: the frame in work is finished, the queue stays for its next start."
    parser = commands.add_parser("stop", help="stop the daemon", description=what)
    parser.set_defaults(run=end)
    parser.add_argument("--now", action="store_true", help="do not wait for the frame in work")
    parser.add_json()
    what = "Give the memory of idle devices back now; busy ones give it back when their task is done."
    parser = commands.add_parser("release", help="give device memory back now", description=what)
    parser.set_defaults(run=release)
    parser.add_json()


def end(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Stop the daemon and wait until its process has ended. Raises VideoMatteError."""
    from bridge.wire.connection import read_connection
    from bridge.wire.messages import DaemonShutdown

    connection = read_connection()
    unheard = _told(DaemonShutdown(now=typed.now))
    if unheard is not None and not connection.local:
        raise unheard
    deadline = time.monotonic() + (PATIENCE if unheard is None else LAST_WORDS)
    while connection.local and alive(connection.pid):
        stop.check()
        if time.monotonic() > deadline:
            message = f"The daemon (process {connection.pid}) has not ended after {PATIENCE:g} s."
            raise unheard or ResourceError(message, remedy="`videomatte stop --now` does not wait for the frame in work.")
        time.sleep(LOOK_EVERY)
    console.event("stopped", pid=connection.pid)
    console.say(f"The daemon (process {connection.pid}) has ended")


def _told(shutdown: DaemonShutdown) -> DaemonUnreachableError | None:
    """Tell the daemon to stop; return the error when its answer got lost, as may happen to one that ends at once."""
    try:
        asked(shutdown)
    except DaemonUnreachableError as error:
        return error
    return None


def release(_typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Have devices given back and say which. Raises VideoMatteError."""
    from bridge.wire.messages import DaemonRelease

    found = asked(DaemonRelease())
    console.event("released", devices=list(found.devices), busy=list(found.busy))
    if found.devices:
        console.say(f"Given back: {', '.join(found.devices)}")
    if found.busy:
        console.say(f"Given back when their work is done: {', '.join(found.busy)}")
    if not found.devices and not found.busy:
        console.say("Nothing to give back: no device is in use")


def alive(pid: int) -> bool:
    """Tell whether a process of this machine is there and has not ended."""
    if os.name != "posix":
        return _answers()
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return True


def _answers() -> bool:
    from bridge.wire.messages import Ping

    try:
        asked(Ping())
    except DaemonUnreachableError:
        return False
    return True
