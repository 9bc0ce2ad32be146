"""`videomatte demo`: solve the shot that comes with videomatte and show how near it is to the truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.sequence import Sequence
from bridge.wire.errors import SequenceError

from . import arguments as read
from . import solve
from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    from bridge.shot.request import Request

SHOT = Path(__file__).resolve().parents[1] / "demo"
OUT = "videomatte-demo"
SHEET = "contact-sheet.png"


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("demo", help="solve the shot that comes with videomatte", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("--out", metavar="DIR", default=OUT, help="where to write (%(default)s)")
    parser.add_device()
    parser.add_argument("--shot", type=Path, default=SHOT, help=argparse.SUPPRESS)


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Solve the demo, write its contact sheet, say its error. Raises VideoMatteError."""
    folder = Path(typed.out).expanduser()
    request, truth = requested(typed.shot, folder, typed.device), Sequence.parse(typed.shot / "truth" / "alpha.####.exr")
    truth.frames()
    summary = solve.solved(request, console=console, stop=stop)
    from . import sheet

    columns, whole, unknown = sheet.judged(request, truth)
    sheet.write(folder / SHEET, columns)
    solve.finish(summary, request, console)
    console.say("Error against the true alpha, mean absolute × 1000:")
    console.say(f"  {whole:.2f} over the whole frame, {unknown:.2f} where the trimap is unknown")
    console.say(f"Look at {folder / SHEET}")


def requested(shot: Path, folder: Path, device: str) -> Request:
    """Return the request of the demo. Raises SequenceError when the shot is not there."""
    from bridge.shot.request import Request

    plate, trimap = Sequence.parse(shot / "plate.####.exr"), Sequence.parse(shot / "trimap.####.png")
    if not plate.frames(allow_none=True) or not trimap.frames(allow_none=True):
        raise SequenceError(f"The demo shot is not in {shot}.", remedy="Install videomatte again.", file=str(shot))
    out, trimaps, foreground = (Sequence.parse(folder / name / f"{name}.####.exr") for name in ("alpha", "trimap", "foreground"))
    return Request(plate, trimap, out, trimap_out=trimaps, foreground=foreground, device=device)
