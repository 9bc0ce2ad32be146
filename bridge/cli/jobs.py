"""`videomatte jobs` and `videomatte cancel`: what the daemon has to do, what it did, and what it need not do."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from . import arguments as read
from .asking import asked, chosen
from .console import Console
from .interruption import Stop
from .progress import STAGES, clock

if TYPE_CHECKING:
    from bridge.wire.values import JobState

TITLES = ("job", "state", "progress", "where", "device", "client", "since")


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommands and what may be typed after them."""
    parser = commands.add_parser("jobs", help="list the daemon's jobs", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("--all", action="store_true", help="those that have ended too")
    parser.add_json()
    what = "Cancel jobs: what is solved stays, and the same submit goes on where they stopped."
    parser = commands.add_parser("cancel", help="cancel jobs", description=what)
    parser.set_defaults(run=cancel)
    parser.add_argument("ids", nargs="+", metavar="ID", help="a job's id, or its beginning")
    parser.add_json()


def run(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """List the jobs. Raises VideoMatteError."""
    from bridge.wire.messages import Jobs

    found = asked(Jobs(all=typed.all)).jobs
    if console.as_json:
        for job in found:
            console.data(asdict(job))
    else:
        console.say(table(found) if found else "No jobs" if typed.all else "No jobs: nothing waits or runs")


def cancel(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Cancel jobs. Raises UnknownJobError for the first that is not there, before any is cancelled."""
    from bridge.wire.messages import JobCancel

    for job in chosen(typed.ids):
        if job.state in ("queued", "running"):
            asked(JobCancel(job.job))
            console.event("cancelled", job=job.job)
            console.say(f"{job.job} cancelled")
        else:
            console.event("ended", job=job.job, state=job.state)
            console.say(f"{job.job} has ended already: {job.state}")


def table(jobs: Iterable[JobState]) -> str:
    """Return jobs as a table, with why they failed below it."""
    from .tables import rendered

    shown = tuple(jobs)
    why = "".join(f"\n  {job.job} {job.state}: {job.error}" for job in shown if job.error and job.state == "failed")
    return rendered(TITLES, [_row(job) for job in shown], title="Jobs", left=len(TITLES)) + why


def _row(job: JobState) -> tuple[str, ...]:
    since = clock(max(0.0, time.time() - job.submitted)) if job.submitted else ""
    what = "preview" if job.what == "preview" else job.state
    return (job.job, what, progress(job), job.label, job.device or "", job.client, since)


def progress(job: JobState) -> str:
    """Write how far a job is: `Mattes 12/48`."""
    if job.stage is None:
        return f"{job.done}/{job.total}" if job.done else ""
    return f"{STAGES.get(job.stage, job.stage)} {job.done}/{job.total}"
