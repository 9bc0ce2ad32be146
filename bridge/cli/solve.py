"""`videomatte solve`: a plate and painted trimaps in, mattes out."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from bridge.sequence import format_range
from bridge.wire.description import Description

from . import arguments as read
from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    from bridge.shot.request import Request
    from bridge.solve.events import Event, Summary

    from .progress import Progress

RESUME = "The same command goes on where it stopped."


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("solve", help="solve the mattes of a shot", description=__doc__, allow_abbrev=False)
    parser.set_defaults(run=run)
    parser.add_argument("plate", metavar="PLATE", help="the plate: plate.####.exr, plate.%%04d.exr or one file")
    parser.add_argument("--trimap", metavar="KEYS", required=True, help="painted trimaps; every frame that exists is a key frame")
    parser.add_argument("--out", metavar="OUT", required=True, help="the mattes: a pattern, or a folder")
    parser.add_argument("--frames", type=read.frames, metavar="1001-1100", help="what is written; all of the plate when left out")
    for name, what in (
        ("trimap-out", "write the propagated trimaps: 0, 0.5 and 1"),
        ("foreground", "write the foreground's colour: unpremultiplied scene-linear RGB"),
        ("garbage", "what is white here is background"),
        ("holdout", "what is white here is foreground"),
    ):
        parser.add_argument(f"--{name}", metavar="PATTERN", help=what)
    parser.add_argument("--layer", metavar="NAME", help="the layer of the plate")
    parser.add_argument("--view", metavar="NAME", help="the view of the plate")
    parser.add_argument("--trimap-channel", metavar="NAME", help="the trimap's channel; A if it varies, else the first colour channel")
    parser.add_argument("--device", type=read.device, default="auto", metavar="auto|cpu|cuda[:N]", help="what computes")
    parser.add_argument("--profile", choices=("final", "draft"), default="final", help="draft is faster and softer")
    parser.add_argument("--colorspace", default="auto", metavar="auto|NAME", help="the colour space of the plate")
    parser.add_argument("--channels", choices=("rgba", "a", "y"), default="rgba", help="the channels of the mattes")
    parser.add_argument("--depth", choices=("float", "half"), default="float", help="the depth of the mattes")
    parser.add_argument("--overwrite", action="store_true", help="solve every frame again and replace files that are in the way")
    parser.add_argument("--json", action="store_true", help="say everything as one JSON object a line")


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Solve what was typed. Raises VideoMatteError."""
    request = requested(typed)
    summary = solved(request, console=console, stop=stop)
    finish(summary, request, console)


def requested(typed: argparse.Namespace) -> Request:
    """Read what was typed; the plate and the trimap are looked for, which is cheap. Raises InputError, UsageError."""
    from bridge.shot.request import request_of

    return request_of(described(typed))


def described(typed: argparse.Namespace) -> Description:
    """Return what was typed as a description."""
    from dataclasses import fields

    words = {f.name: getattr(typed, f.name) for f in fields(Description)}
    return Description(**{**words, "frames": None if typed.frames is None else format_range(typed.frames)})


def solved(request: Request, *, console: Console, stop: Stop) -> Summary:
    """Solve a request while telling of it. Raises VideoMatteError."""
    stop.remedy = RESUME
    stop.folders |= {s.folder for s in (request.out, request.trimap_out, request.foreground) if s is not None}
    let_idle_threads_sleep()
    from bridge.solve.run import solve

    from . import progress, remarks

    stop.check()
    with remarks.heard(console) as heard, progress.shown(console) as bar:
        return solve(request, tell=Teller(console, stop, bar, heard.channels))


def let_idle_threads_sleep() -> None:
    """Tell OpenMP, before torch loads it, not to spin while waiting: reading, writing and other programs need the cores meanwhile."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Teller:
    """Hears the events of a solve: shows them, and stops where stopping is safe."""

    def __init__(self, console: Console, stop: Stop, bar: Progress, channels: dict[int, str]) -> None:
        self._console, self._stop, self._bar, self._channels = console, stop, bar, channels

    def __call__(self, event: Event) -> None:
        """Raises InterruptedByUserError or TerminatedError when somebody asked to stop."""
        from bridge.solve.events import Advanced, Began, Landed

        match event:
            case Began():
                self._stop.careful = True
                self._console.event("began", **vars(event), trimap_channels=self._channels)
            case Advanced():
                self._bar.advance(event.stage, done=event.done, total=event.total)
                self._console.event("progress", **vars(event))
            case Landed():
                self._console.event("frame", frame=event.frame, files=[str(f) for f in event.files])
        self._stop.check()


def finish(summary: Summary, request: Request, console: Console) -> None:
    """Say what a solve came to and where its files are."""
    written = {"matte": request.out, "trimap": request.trimap_out, "foreground": request.foreground}
    files = {what: str(pattern) for what, pattern in written.items() if pattern is not None}
    rate = len(summary.solved) / summary.seconds if summary.seconds > 0 else 0.0
    facts = {**vars(summary), "warnings": console.warned, "frames_per_second": round(rate, 3), "files": files}
    console.event("done", **facts)
    if summary.solved:
        kept = f", {counted(len(summary.kept))} kept" if summary.kept else ""
        console.say(f"{counted(len(summary.solved))} solved{kept}, {rate:.2f} frames/s")
    else:
        console.say(f"Nothing to do: {counted(len(summary.kept))} up to date")
    if summary.missing:
        console.say(f"Left out, because the plate is missing: {format_range(summary.missing)}")
    for what, pattern in files.items():
        console.say(f"  {what}: {pattern}")


def counted(number: int) -> str:
    """Write a number of frames."""
    return f"{number} frame" + ("" if number == 1 else "s")
