"""`videomatte farm`: what a farm needs to solve shot folders: an Open Job Description bundle, or a script for SLURM."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as read
from .console import Console
from .interruption import Stop

OUT = "farm"


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("farm", help="write jobs for a farm", description=__doc__)
    verbs = parser.add_subparsers(title="farms", metavar="FARM", required=True, parser_class=read.Parser)
    for name, what in (("openjd", "an Open Job Description bundle for each shot"), ("slurm", "a SLURM script for each shot")):
        verb = verbs.add_parser(name, help=what, description=f"Write {what}.")
        verb.set_defaults(run=run, farm=name)
        verb.add_argument("shots", nargs="+", metavar="SHOT", help="shot folders, such as sh010.vmatte")
        verb.add_argument("--out", default=OUT, metavar="DIR", help=f"where they are written; {OUT} when left out")
        verb.add_argument("--chunk", type=read.positive, default=24, metavar="N", help="frames of one matte task; 24 when left out")
        verb.add_json()


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Write what the farm needs. Raises InputError, UsageError, StorageError."""
    from bridge.farm.openjd import write_bundle
    from bridge.farm.slurm import write_script
    from bridge.farm.tasks import tasks_of
    from bridge.shot.folder import Shot

    from . import remarks

    out = Path(typed.out).expanduser().absolute()
    stop.careful = True
    with remarks.heard(console):
        for text in typed.shots:
            tasks = tasks_of(Shot.open(text), chunk=typed.chunk)
            written = (
                write_bundle(tasks, out / tasks.name) if typed.farm == "openjd" else write_script(tasks, out / f"{tasks.name}.slurm.sh")
            )
            counts = {"segments": len(tasks.segments), "chunks": len(tasks.chunks), "frames": len(tasks.frames)}
            console.event("written", shot=str(tasks.folder), file=str(written), **counts)
            console.say(str(written))
