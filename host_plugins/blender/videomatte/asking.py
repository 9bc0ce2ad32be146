# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in short steps: generators that the tick of a modal operator, or a loop in a script, carries on. Nobody waits in them.

Each step tells what is being done. An error of the tree ends the work; a CancelledError that is thrown in cancels the job of the daemon.
A generator that is closed hangs up and leaves the job to the daemon.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .complaints import MatteError
from .wire.client import Client
from .wire.codec import Buffer
from .wire.errors import CancelledError
from .wire.messages import EndT, Error, JobAccepted, JobCancel, Message, Progress, Request

FAREWELL = 0.2  # seconds in which the daemon hears of a cancelled job


@dataclass(frozen=True)
class Step:
    """What is being done, and how much of it is done, 0 to 1; `idle` when there is nothing to do but wait."""

    text: str
    share: float = 0.0
    idle: bool = False


T = TypeVar("T")
Steps = Generator[Step, None, T]


def answer(client: Client, message: Request[EndT], *, text: str, parts: Sequence[Buffer] = ()) -> Steps[EndT]:
    """Ask the daemon and return the end of the request. Raises the error that ends it."""
    request, step, job = client.send(message, parts=parts), Step(text, idle=True), ""
    try:
        while True:
            for envelope in client.poll():
                if envelope.request != request:
                    continue
                if not isinstance(envelope.message, (JobAccepted, Progress)):
                    return _end(envelope.message)
                job = envelope.message.job
                step = _told(envelope.message)
            yield step
    except CancelledError:
        if job:
            client.send(JobCancel(job))
            client.poll(wait=FAREWELL)
        raise


def _end(message: Message) -> EndT:
    if isinstance(message, Error):
        raise message.exception()
    return message  # type: ignore[return-value]


def _told(message: Message) -> Step:
    if not isinstance(message, Progress):
        return Step("Waiting for its turn", idle=True)
    words = "%s: frame %d, %d of %d" % (message.stage.capitalize(), message.frame, message.done, message.total)
    return Step(words, message.done / max(message.total, 1), idle=True)


def gone() -> MatteError:
    """Return what is said when the matte that was worked for has been deleted."""
    return MatteError("The matte was deleted while it was worked on.", remedy="Undo, and press again.")
