"""`videomatte report`: one HTML file about a shot, with pictures, curves and what deserves a look."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as read
from .console import Console
from .interruption import Stop


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("report", help="write a page about a shot", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("shot", metavar="SHOT", help="the shot folder, such as sh010.vmatte")
    parser.add_argument("--out", metavar="FILE", help="the page; SHOT.report.html beside the shot folder when left out")
    parser.add_json()


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Write the report of a shot. Raises ShotError, ImageError, StorageError."""
    from bridge.report.shot import write_report

    from . import remarks

    folder = Path(typed.shot).expanduser().absolute()
    path = Path(typed.out).expanduser().absolute() if typed.out else folder.with_name(f"{folder.name.removesuffix('.vmatte')}.report.html")
    stop.folders.add(path.parent)
    with remarks.heard(console):
        write_report(folder, path)
    console.event("done", file=str(path))
    console.say(str(path))
