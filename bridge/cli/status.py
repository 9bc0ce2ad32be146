"""`videomatte status`: the daemon's devices, memory, shots, clients and jobs."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from . import arguments as read
from .asking import asked
from .console import Console
from .interruption import Stop
from .progress import clock

if TYPE_CHECKING:
    from bridge.wire.messages import DaemonState
    from bridge.wire.values import DeviceState

EVERY = 1.0  # seconds between two looks
LOOK_EVERY = 0.05
CLEAR = "\x1b[H\x1b[J"


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("status", help="show what the daemon does", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("--watch", action="store_true", help="show it again every second, until Ctrl-C")
    parser.add_json()


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Show how the daemon is. Raises VideoMatteError."""
    from bridge.wire.messages import DaemonStatus

    while True:
        state = asked(DaemonStatus())
        if console.as_json:
            console.data(asdict(state))
        else:
            console.say((CLEAR if typed.watch and sys.stdout.isatty() else "") + page(state))
        if not typed.watch:
            return
        until = time.monotonic() + EVERY
        while time.monotonic() < until:
            stop.check()
            time.sleep(LOOK_EVERY)


def page(state: DaemonState) -> str:
    """Return the state of the daemon as a page of text."""
    from .jobs import table
    from .tables import rendered

    facts = (
        f"process {state.pid}",
        f"version {state.version}",
        f"up {clock(state.uptime)}",
        f"{amount(state.memory)} memory",
        counted(state.shots, "open shot"),
        counted(state.sessions, "session"),
    )
    titles = ("device", "what it is", "state", "memory used", "allowed", "of", "job")
    devices = rendered(titles, [_row(d) for d in state.devices], title="Devices", left=3) if state.devices else "No device is in use"
    jobs = table(state.jobs) if state.jobs else "No jobs: nothing waits or runs"
    return "\n\n".join(("The daemon: " + ", ".join(facts), devices, jobs))


def _row(device: DeviceState) -> tuple[str, ...]:
    allowed = amount(device.memory_budget) if device.memory_budget else "all"
    memory = (amount(device.memory_used), allowed, amount(device.memory_total) if device.memory_total else "")
    return (device.device, device.name, device.state, *memory, device.job or "")


def amount(count: int) -> str:
    """Write a number of bytes."""
    return f"{count / 2**30:.2f} GiB" if count >= 1 << 30 else f"{count / 2**20:.0f} MiB"


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
