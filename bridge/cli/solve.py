"""`videomatte solve`: a plate and painted trimaps in, mattes out."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from bridge.sequence import format_range
from bridge.wire.description import Description
from bridge.wire.errors import UsageError

from . import arguments as read
from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    from bridge.shot.request import Request
    from bridge.solve.events import Event, Summary

    from .progress import Progress

HERE = "shot"  # what --foreground without a pattern means: in the shot folder
RESUME = "The same command goes on where it stopped."


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("solve", help="solve the mattes of a shot", description=__doc__)
    parser.set_defaults(run=run)
    add_arguments(parser)


def add_arguments(parser: read.Parser) -> None:
    """Add what describes a solve, here or by the daemon."""
    parser.needs = lacking
    add_shot(parser)
    parser.add_argument("--out", metavar="OUT", help="the mattes: a pattern, or a folder")
    parser.add_argument("--shot", metavar="DIR", help="a shot folder, such as sh010.vmatte, in place of --out; made if it is not there")
    parser.add_argument("--replace-keys", action="store_true", help="with --shot: remove its keys that --trimap does not hold")
    parser.add_argument("--frames", type=read.frames, metavar="1001-1100", help="what is written; all when left out")
    parser.add_argument("--trimap-out", metavar="PATTERN", help="write the propagated trimaps: 0, 0.5 and 1")
    parser.add_device()
    parser.add_argument("--overwrite", action="store_true", help="solve every frame again and replace files that are in the way")
    parser.add_json()


def add_shot(parser: read.Parser) -> None:
    """Add what describes a shot: plate, keys, and how its mattes are to be."""
    parser.add_argument("plate", metavar="PLATE", nargs="?", help="the plate: plate.####.exr, plate.%%04d.exr or one file")
    parser.add_argument("--trimap", metavar="KEYS", help="painted trimaps; every frame that exists is a key frame")
    foreground = "write the foreground's colour: unpremultiplied scene-linear RGB; no PATTERN with --shot"
    parser.add_argument("--foreground", metavar="PATTERN", nargs="?", const=HERE, help=foreground)
    parser.add_argument("--garbage", metavar="PATTERN", help="what is white here is background, exactly")
    parser.add_argument("--holdout", metavar="PATTERN", help="what is white here is foreground, exactly")
    parser.add_argument("--layer", metavar="NAME", help="which layer of the plate")
    parser.add_argument("--view", metavar="NAME", help="which view of the plate")
    parser.add_argument("--trimap-channel", metavar="NAME", help="the trimap's channel; A if it varies, else the first colour channel")
    for name, default, choices, what in (
        ("profile", "final", ("final", "draft"), "draft is faster and softer"),
        ("colorspace", "auto", None, "the colour space of the plate, such as acescg; auto believes the file, a wrong name lists all"),
        ("channels", "rgba", ("rgba", "a", "y"), "of the mattes: alpha four times, once as A, or once as Y for Blender"),
        ("depth", "float", ("float", "half"), "of the mattes and the foreground: 32 or 16 bit"),
    ):
        metavar = None if choices else "auto|NAME"
        parser.add_argument(f"--{name}", action=read.Said, default=default, choices=choices, metavar=metavar, help=what)


def lacking(typed: argparse.Namespace) -> list[str]:
    """Return what must be typed and was not."""
    if typed.shot is not None:
        return ["--trimap"] if typed.replace_keys and typed.trimap is None else []
    wanted = {"PLATE": typed.plate, "--trimap": typed.trimap, "--out": typed.out}
    return [name for name, text in wanted.items() if text is None]


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Solve what was typed. Raises VideoMatteError."""
    if typed.shot is not None:
        from .shotsolve import solve_shot_folder

        solve_shot_folder(typed, console, stop)
        return
    request = requested(typed)
    summary = solved(request, console=console, stop=stop)
    finish(summary, request, console)


def requested(typed: argparse.Namespace) -> Request:
    """Read what was typed; the plate and the trimap are looked for, which is cheap. Raises InputError, UsageError."""
    from bridge.shot.request import request_of

    return request_of(described(typed))


def described(typed: argparse.Namespace) -> Description:
    """Return what was typed as a description. Raises UsageError."""
    from dataclasses import fields

    if typed.shot is None and (typed.foreground == HERE or typed.replace_keys):
        option, needs = ("--foreground", "a PATTERN") if typed.foreground == HERE else ("--replace-keys", "a shot folder")
        raise UsageError(f"{option} needs {needs} without --shot.", remedy="`videomatte solve --help` shows what there is.")
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
    tell_end(summary, {what: str(pattern) for what, pattern in written.items() if pattern is not None}, console)


def tell_end(summary: Summary, files: dict[str, str], console: Console, **more: object) -> None:
    """Say what a solve came to and where its files are; `more` is told to programs."""
    rate = len(summary.solved) / summary.seconds if summary.seconds > 0 else 0.0
    facts = {**vars(summary), "warnings": console.warned, "frames_per_second": round(rate, 3), "files": files}
    console.event("done", **facts, **more)
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
