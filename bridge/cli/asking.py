"""What a command asks of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.wire.messages import EndT, Request
    from bridge.wire.values import JobState

NAME = "command line"
SECONDS = 10.0


def asked(request: Request[EndT]) -> EndT:
    """Ask the daemon and return its answer. Raises DaemonUnreachableError, and the error it answers with."""
    from bridge.wire.client import Client

    with Client(name=NAME) as client:
        return client.call(request, timeout=SECONDS)


def chosen(ids: list[str]) -> list[JobState]:
    """Return the jobs whose ids begin like this, each exactly one; a job that waits or runs comes before those that have ended.

    Raises UnknownJobError when there is no such job, UsageError when there are several.
    """
    from bridge.wire.errors import UnknownJobError, UsageError
    from bridge.wire.messages import Jobs

    jobs = asked(Jobs(all=True)).jobs
    found = []
    for text in ids:
        fitting = [job for job in jobs if job.job.startswith(text)]
        waiting = [job for job in fitting if job.state in ("queued", "running")]
        fitting = waiting or fitting
        if not text or not fitting:
            raise UnknownJobError(f"There is no job {text or 'without a name'}.", remedy="`videomatte jobs --all` lists them.")
        if len(fitting) > 1:
            raise UsageError(f"{text} begins {len(fitting)} jobs: {', '.join(job.job for job in fitting[:9])}.", remedy="Write more of it.")
        found.append(fitting[0])
    return found
