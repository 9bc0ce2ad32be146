"""`videomatte serve`: the daemon that keeps the models warm and solves for every host of this machine, in the foreground."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import arguments as read
from .console import Console
from .interruption import Stop

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SETTINGS = {
    "device": "--device",
    "memory": "--memory",
    "idle_release": "--idle-release",
    "cpu_allowed": "--no-cpu",
    "tcp": "--tcp",
    "key": "--key",
    "folders": "--folder",
    "path_map": "--map",
    "sessions": "--sessions",
    "jobs": "--jobs",
}


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("serve", help="be the daemon, in the foreground", description=__doc__)
    parser.set_defaults(run=run)
    add = parser.add_argument
    add("--device", type=read.device, metavar="auto|cpu|cuda[:N]", help="what computes, when a job does not say; auto: every card")
    add("--memory", type=size, metavar="6G", help="the memory that it may use of a device; all when left out")
    add("--idle-release", type=seconds, metavar="SECONDS", help="give a device back after so long without work (600)")
    add("--no-cpu", dest="cpu_allowed", action="store_false", default=None, help="a job never goes on on the CPU when its device is full")
    add("--tcp", type=address, metavar="HOST:PORT", help="also serve other machines, those with a key (`videomatte keys`)")
    add("--key", metavar="NAME", help="the daemon's own key, with --tcp (server)")
    add("--folder", dest="folders", type=read.folder, nargs="+", action="extend", metavar="DIR", help="all that clients of --tcp may name")
    add("--map", dest="path_map", type=pair, nargs="+", action="extend", metavar="CLIENT=DAEMON", help="a folder as they see it, and here")
    add("--sessions", type=read.positive, metavar="N", help="the most clients at once (64)")
    add("--jobs", type=read.positive, metavar="N", help="the most jobs that wait (1024)")
    add("--quiet", action="store_true", help="log to the file alone")
    add("--detach", action="store_true", help="go on in the background, and return when clients can connect")
    parser.add_json()


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Be the daemon: this process becomes it, or with --detach one of its own. Raises VideoMatteError."""
    settings = {name: getattr(typed, name) for name in SETTINGS if getattr(typed, name) is not None}
    if typed.detach:
        _detach(settings, console)
        return
    stop.check()
    said = [name for name, wanted in (("--quiet", typed.quiet), ("--json", typed.json)) if wanted]
    become([sys.executable, "-m", "bridge.daemon", "--settings", json.dumps(settings), *said])


def _detach(settings: dict[str, Any], console: Console) -> None:
    """Start the daemon in the background. Raises what it ended with."""
    from bridge.launch import launch

    found = launch(words(settings))
    console.event("serving" if found.anew else "running", pid=found.pid, version=found.version, log=str(found.log.parent))
    if not found.anew and settings:
        console.warn("A daemon is running already, with the settings it was started with")
    console.say(f"The daemon {'is up' if found.anew else 'is running already'}: process {found.pid}, version {found.version}")
    console.say(f"  logs: {found.log.parent}")


def words(settings: dict[str, Any]) -> list[str]:
    """Return what must be typed for these settings."""
    found = []
    for name, value in settings.items():
        option = SETTINGS[name]
        if name == "path_map":
            found += [f"{option}={client}={daemon}" for client, daemon in value]
        else:
            values = [""] if isinstance(value, bool) else [f"={v}" for v in value] if isinstance(value, list) else [f"={value}"]
            found += [f"{option}{text}" for text in values]
    return found


def become(command: list[str]) -> None:
    """Turn this process into another program, so that the daemon's front holds nothing of the command line. Does not return.

    Where this process takes no modules from the folder it stands in, daemon and workers take none from there either (Python 3.11 on).
    """
    if not {"", os.getcwd()} & set(sys.path):
        os.environ["PYTHONSAFEPATH"] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    raise SystemExit(subprocess.run(command).returncode)


def size(text: str) -> int:
    """Read bytes: `6G`, `512M`, `1.5GB`. Raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of memory like 6G")
    return int(float(match[1]) * UNITS[match[2].upper()])


def seconds(text: str) -> float:
    """Read seconds above 0. Raises ArgumentTypeError."""
    return read.number(text, lambda value: 0 < value < 1e9, what="a number of seconds")


def address(text: str) -> str:
    """Read `HOST:PORT`; port 0 is any that is free. Raises ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65534:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address like 0.0.0.0:7700")
    return text


def pair(text: str) -> tuple[str, str]:
    """Read `CLIENT=DAEMON`, a folder as clients see it and as this machine does. Raises ArgumentTypeError."""
    client, _, daemon = text.partition("=")
    if not client or not Path(daemon).is_absolute():
        raise argparse.ArgumentTypeError(f"{text!r} is not a pair of whole paths like P:/show=/mnt/show")
    return client, daemon
