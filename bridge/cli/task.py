"""`videomatte task`: one task of a shot folder, for farms. Tasks with the same token work on a shot together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bridge.sequence import format_range
from bridge.wire.errors import UsageError

from . import arguments as read
from .console import Console
from .interruption import Stop
from .solve import let_idle_threads_sleep

if TYPE_CHECKING:
    from bridge.shot.folder import Shot
    from bridge.solve.events import Event

STEPS = ("begin", "propagate", "matte", "publish")
CUT = ("propagate", "matte")


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("task", help="do one task of a shot, for farms", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("step", choices=STEPS, help="claim the shot, propagate segments, matte frames, or publish the version")
    parser.add_argument("shot", metavar="SHOT", help="the shot folder")
    parser.add_argument("--frames", type=read.frames, metavar="1001-1024", help="of propagate and matte: the frames it is about")
    parser.add_argument("--token", required=True, metavar="TEXT", help="any text, the same for all tasks of a job")
    parser.add_device()
    parser.add_argument("--openjd", action="store_true", help="tell progress as Open Job Description reads it")
    parser.add_json()


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Do the task. Raises VideoMatteError."""
    from bridge.shot.folder import Shot

    from . import remarks

    if (typed.step in CUT) != (typed.frames is not None):
        raise UsageError(f"{typed.step} {'needs' if typed.step in CUT else 'takes no'} --frames.", remedy="See docs/farm.md.")
    shot = Shot.open(typed.shot)
    stop.folders |= {shot.folder / name for name in ("", "trimap", "alpha/pending", "foreground/pending")}
    stop.careful = True
    stop.remedy = "The same task goes on where it stopped."
    let_idle_threads_sleep()
    with remarks.heard(console):
        said = _done(typed, shot, Told(console, stop, openjd=typed.openjd))
    console.event("done", step=typed.step, result=said)
    console.say(f"openjd_status: {said}" if typed.openjd else said)


def _done(typed: argparse.Namespace, shot: Shot, told: Told) -> str:
    from bridge.solve import task

    if typed.step == "begin":
        return f"to solve: {format_range(task.begin(shot, token=typed.token, device=typed.device)) or 'nothing'}"
    if typed.step == "publish":
        published = task.publish(shot, token=typed.token)
        return f"published {published}" if published else "nothing changed"
    if typed.step == "propagate":
        return f"trimaps of {task.propagate(shot, typed.frames, token=typed.token, tell=told, device=typed.device)} frames"
    return f"mattes of {task.matte(shot, typed.frames, token=typed.token, tell=told, device=typed.device)} frames"


class Told:
    """Hears the events of a task: tells them on, and stops where stopping is safe."""

    def __init__(self, console: Console, stop: Stop, *, openjd: bool) -> None:
        self._console, self._stop, self._openjd = console, stop, openjd

    def __call__(self, event: Event) -> None:
        """Raises InterruptedByUserError or TerminatedError when somebody asked to stop."""
        from bridge.solve.events import Advanced, Landed

        if isinstance(event, Advanced):
            self._console.event("progress", **vars(event))
            if self._openjd:
                self._console.say(f"openjd_progress: {100 * event.done / max(event.total, 1):.1f}")
        elif isinstance(event, Landed):
            self._console.event("frame", frame=event.frame, files=[str(f) for f in event.files])
        self._stop.check()
