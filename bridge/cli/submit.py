"""`videomatte submit`: what `videomatte solve` does, done by the daemon, whose models are warm and whose jobs outlive this terminal."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from bridge.sequence import Sequence, parse_range
from bridge.wire.description import Description
from bridge.wire.errors import DaemonUnreachableError, UsageError, VideoMatteError

from . import arguments as read
from .console import Console
from .interruption import Stop
from .solve import RESUME, add_arguments, described, lacking, tell_end

if TYPE_CHECKING:
    from bridge.wire.client import Client
    from bridge.wire.messages import EndT, JobFollow, JobResult, Message, Progress, Request, ShotSolve

    from .progress import Progress as Bar

PATIENCE = 30.0  # seconds in which a daemon that is started anew goes on with the job
LAST_WORDS = 5.0  # seconds that a cancelled job is given to end
LOOK_EVERY = 0.1
READ = ("plate", "trimap", "garbage", "holdout")
WRITTEN = {"out": "matte", "trimap_out": "trimap", "foreground": "foreground"}


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("submit", help="solve the mattes of a shot by the daemon", description=__doc__)
    parser.set_defaults(run=run)
    add_arguments(parser)
    parser.needs = lambda typed: [] if typed.follow else lacking(typed)
    parser.add_argument("--detach", action="store_true", help="print the job's id and leave the job to the daemon")
    parser.add_argument("--follow", metavar="ID", help="show the progress of a job that was submitted before, and exit like it")


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Submit what was typed and follow it to its end. Raises VideoMatteError."""
    from bridge.wire.client import Client

    from .asking import NAME

    stop.remedy = RESUME
    with Client(name=NAME, patience=PATIENCE) as client:
        following = Following(client, console, stop, detach=typed.detach)
        request = _known(typed.follow) if typed.follow else _new(typed, following)
        result = following.to_the_end(request)
    if result is not None:
        finish(result, console)


def _known(text: str) -> JobFollow:
    """Return the request to hear of a job that was submitted before. Raises UnknownJobError, UsageError."""
    from bridge.wire.messages import JobFollow

    from .asking import chosen

    (found,) = chosen([text])
    if found.what == "preview":
        raise UsageError(f"{found.job} is the preview of a host.", remedy="`videomatte jobs` lists the jobs.")
    return JobFollow(found.job)


def _new(typed: argparse.Namespace, following: Following) -> ShotSolve:
    """Open the shot that was typed and return the request to solve it. Raises VideoMatteError."""
    from bridge.wire.messages import Ping, ShotOpen, ShotSolve

    following.answer(Ping())
    description, folder = wanted(typed)
    shot = following.answer(ShotOpen(description, folder=folder)).shot
    return ShotSolve(shot, frames=described(typed).frames)


def wanted(typed: argparse.Namespace) -> tuple[Description, str | None]:
    """Return what was typed as the daemon needs it, and the shot folder if one was named, changed as typed.

    Raises InputError, UsageError, StorageError.
    """
    if typed.shot is None:
        return located(described(typed)), None
    from .shotsolve import opened

    shot = opened(typed)
    known = shot.description
    kept = {name: getattr(known, name) for name in ("profile", "colorspace", "channels", "depth")}
    return Description(**kept, device=typed.device, overwrite=typed.overwrite), str(shot.folder.absolute())


def located(said: Description) -> Description:
    """Return a description with whole paths, and patterns where folders to write to were named, as `solve` does. Raises SequenceError."""
    given: dict[str, Any] = {name: whole(text) for name in READ if (text := getattr(said, name)) is not None}
    plate = Sequence.parse(given["plate"])
    for name, what in WRITTEN.items():
        text = getattr(said, name)
        if text is not None:
            given[name] = whole(str(read.output(text, plate=plate, what=what)))
    return replace(said, **given)


def whole(text: str) -> str:
    """Return a path or pattern from the root on; spaces and quotes around it are dropped, a slash at its end stays."""
    bare = text.strip()
    bare = bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else bare
    return os.path.join(os.getcwd(), os.path.expanduser(bare)) if bare else ""


class Following:
    """Hears of one job and tells it on. Ctrl-C and SIGTERM cancel the job; a closed terminal leaves it to the daemon."""

    def __init__(self, client: Client, console: Console, stop: Stop, *, detach: bool) -> None:
        self._client, self._console, self._stop, self._detach = client, console, stop, detach
        self._job: str | None = None

    def answer(self, request: Request[EndT]) -> EndT:
        """Ask something and wait for its end, however long the disk takes. Raises the error that ends it, and what Ctrl-C makes of it."""
        self._client.send(request)
        return cast("EndT", next(self._heard()))

    def to_the_end(self, request: ShotSolve | JobFollow) -> JobResult | None:
        """Ask for a job and follow it; return its result, None when it is left to the daemon. Raises the error that it ends with."""
        from bridge.wire.messages import JobAccepted, JobResult, Progress

        from . import progress

        self._stop.careful = True
        self._client.send(cast("Request[JobResult]", request))
        with progress.shown(self._console) as bar:
            for message in self._heard():
                if isinstance(message, JobAccepted):
                    self._accepted(message.job)
                    if self._detach:
                        return None
                elif isinstance(message, Progress):
                    self._advance(message, bar)
                elif isinstance(message, JobResult):
                    return message
        return None

    def _heard(self) -> Iterator[Message]:
        """Yield what is heard of the job. Raises its error, and what Ctrl-C makes of it."""
        from bridge.wire.messages import Error

        while True:
            for envelope in self._client.poll(wait=LOOK_EVERY):
                if isinstance(envelope.message, Error):
                    raise self._ended_by(envelope.message.exception())
                yield envelope.message
            if self._stop.number is not None:
                self._leave()

    def _ended_by(self, error: VideoMatteError) -> VideoMatteError:
        """Return the error, which of a daemon that went away says how to hear of an accepted job again: the queue is on disk."""
        if isinstance(error, DaemonUnreachableError) and self._job is not None:
            error.message += f" Job {self._job} is kept, and goes on when the daemon runs again."
            error.remedy = f"{error.remedy} Then follow the job: videomatte submit --follow {self._job}".strip()
        return error

    def _accepted(self, job: str) -> None:
        self._job = job
        self._console.event("accepted", job=job)
        if self._detach:
            self._console.say(job)
        else:
            self._console.note(f"Job {job}")

    def _advance(self, message: Progress, bar: Bar) -> None:
        from .progress import STAGES

        if message.stage in STAGES:
            bar.advance(message.stage, done=message.done, total=message.total)
        self._console.event("progress", stage=message.stage, frame=message.frame, done=message.done, total=message.total)
        if message.files:
            self._console.event("frame", frame=message.frame, files=list(message.files))

    def _leave(self) -> None:
        """Cancel the job and raise why; what it solved is kept."""
        error, job = self._stop.error(), self._job
        if job is not None and self._stop.number == getattr(signal, "SIGHUP", None):
            error.message, error.remedy = f"Job {job} goes on.", f"Follow it: videomatte submit --follow {job}"
        elif job is not None:
            error.message = f"{error.message} {self._cancelled(job)}"
        raise error

    def _cancelled(self, job: str) -> str:
        """Have the daemon cancel the job, wait a little for its end, and say how that went."""
        from bridge.wire.messages import Error, JobCancel

        try:
            self._client.call(JobCancel(job), timeout=LAST_WORDS)
        except VideoMatteError as error:
            return f"Job {job} could not be cancelled: {error.message}"
        until = time.monotonic() + LAST_WORDS
        while time.monotonic() < until:
            if any(isinstance(envelope.message, Error) for envelope in self._client.poll(wait=LOOK_EVERY)):
                break
        return f"Job {job} is cancelled."


def finish(result: JobResult, console: Console) -> None:
    """Say what a job came to and where its files are."""
    from bridge.solve.events import Summary

    for note in result.notes:
        console.warn(note)
    solved, kept, missing = (parse_range(text) if text else () for text in (result.solved, result.kept, result.missing))
    named = {"matte": result.files.alpha, "trimap": result.files.trimap, "foreground": result.files.foreground}
    files = {what: pattern for what, pattern in named.items() if pattern is not None}
    tell_end(Summary(solved, kept, missing, result.seconds), files, console, job=result.job, version=result.version)
