"""The client of the daemon, for hosts that tick and for scripts that wait.

A host calls `send` and, at every tick, `poll`; neither waits. A script calls `call`, or goes through `stream` and `solve`. The client finds
the daemon by its connection file, says hello, and when the daemon is started anew says hello again, opens its shots again and follows its
jobs by their ids; requests on their way are asked again. Requests on the control endpoint keep their order; those that carry pixels go
another way, so wait for their end before asking for what needs them.

A client belongs to the thread that made it, and to its process: a forked child makes its own.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Deque, Dict, Iterator, List, Optional, Sequence, Tuple, Union, cast

from .codec import Buffer, Envelope, encode
from .description import Description
from .errors import UsageError, VideoMatteError
from .messages import (
    DaemonShutdown,
    EndT,
    Error,
    FrameResult,
    Job,
    JobAccepted,
    JobFollow,
    JobResult,
    Message,
    Progress,
    Request,
    ShotClose,
    ShotOpen,
    ShotOpened,
    ShotResult,
    ShotSolve,
    Welcome,
    type_name,
)
from .session import Session

LOG = logging.getLogger(__name__)
LONGEST_NAP = 0.1
"""Seconds between two looks at the connection file while the client waits."""


@dataclass
class Pending:
    """A request that has not ended: what to ask, and once it is accepted the job to follow."""

    message: Message
    frames: List[Buffer]
    job: Optional[str] = None
    posted: bool = False
    on_pixels: bool = field(init=False)

    def __post_init__(self) -> None:
        self.on_pixels = len(self.frames) > 2 or getattr(self.message, "how", "") == "inline"


class Client:
    """A conversation with the daemon that survives the daemon's restarts.

    `name` is shown in `videomatte status`. `path_map` pairs folders as seen here and by the daemon. `patience`: seconds of silence after
    which the daemon counts as gone. A missing connection file is an answer at once, unless the daemon was there before.
    """

    def __init__(
        self,
        *,
        name: str = "python",
        connection: Optional[Path] = None,
        path_map: Tuple[Tuple[str, str], ...] = (),
        patience: float = 10.0,
    ) -> None:
        self._numbers = itertools.count(1)
        self._session = Session(name=name, path=connection, path_map=path_map, patience=patience, numbers=self._numbers)
        self._pending: Dict[int, Pending] = {}
        self._shots: Dict[str, ShotOpen] = {}
        self._reopening: Dict[int, str] = {}
        self._arrived: Deque[Envelope] = deque()
        self._owner = os.getpid(), threading.get_ident()

    @property
    def welcome(self) -> Optional[Welcome]:
        """What the daemon said about itself; None while there is no connection."""
        return self._session.welcome

    def send(self, message: Request[EndT], *, parts: Sequence[Buffer] = ()) -> int:
        """Ask, without waiting, and return the id that the answers carry. Parts must stay as they are until the request ends.

        Raises LocalProtocolError for a message that cannot be sent.
        """
        self._check_owner()
        request = next(self._numbers)
        frames = encode(message, request=request, parts=parts)
        if not self._pending:
            self._session.expect()
        self._pending[request] = Pending(message, frames)
        self._turn()
        return request

    def poll(self, *, wait: float = 0.0) -> List[Envelope]:
        """Return what arrived: acceptances, progress and the one end of each request. Wait up to so many seconds for something.

        A daemon that is gone ends every request with Error `daemon.unreachable`.
        """
        self._check_owner()
        deadline = time.monotonic() + wait
        self._turn()
        while not self._arrived and self._nap(deadline):
            self._turn()
        arrived = list(self._arrived)
        self._arrived.clear()
        return arrived

    def exchange(self, message: Request[EndT], *, parts: Sequence[Buffer] = (), timeout: Optional[float] = None) -> Iterator[Envelope]:
        """Ask now and return the answers as they come, the end last, for at most so many seconds; None: for as long as the daemon lives.

        Raises the error that ends the request, and DaemonUnreachableError when time is over or nobody is there.
        """
        return self._answers(self.send(message, parts=parts), type_name(type(message)), timeout)

    def stream(self, message: Job[EndT], *, timeout: Optional[float] = None) -> Iterator[Union[JobAccepted, Progress, EndT]]:
        """Ask for a job now and return its acceptance, its progress and its result as they come. Raises what `exchange` raises."""
        return (cast("Union[JobAccepted, Progress, EndT]", envelope.message) for envelope in self.exchange(message, timeout=timeout))

    def call(self, message: Request[EndT], *, parts: Sequence[Buffer] = (), timeout: Optional[float] = 30.0) -> EndT:
        """Ask, wait for the end and return it. Raises what `exchange` raises."""
        *_, end = self.exchange(message, parts=parts, timeout=timeout)
        return cast(EndT, end.message)

    def open(self, description: Description, *, folder: Optional[str] = None) -> str:
        """Open a shot and return the daemon's name for it."""
        return self.call(ShotOpen(description, folder=folder)).shot

    def solve(self, shot: str, *, frames: Optional[str] = None) -> Iterator[Union[JobAccepted, Progress, JobResult]]:
        """Solve a shot, or some frames of it, and return how it goes as it goes. Leaving the loop leaves the job to the daemon."""
        return self.stream(ShotSolve(shot, frames=frames))

    def pixels(self, message: ShotResult, *, timeout: Optional[float] = 30.0) -> Tuple[FrameResult, Optional[memoryview]]:
        """Ask for a frame and return it with its inline pixels, if that is how they were asked for."""
        *_, end = self.exchange(message, timeout=timeout)
        return cast(FrameResult, end.message), end.parts[0] if end.parts else None

    def close(self) -> None:
        """Hang up without waiting; jobs go on, and asking again dials again. In a forked child only the child's copies are let go."""
        self._pending.clear()
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answers(self, request: int, name: str, timeout: Optional[float]) -> Iterator[Envelope]:
        deadline = time.monotonic() + (timeout if timeout is not None else float("inf"))
        try:
            while True:
                envelope = self._next(request, deadline)
                if envelope is None:
                    raise self._session.unreachable(f"did not answer {name} within {timeout:g} s")
                if isinstance(envelope.message, Error):
                    raise envelope.message.exception()
                yield envelope
                if request not in self._pending and not any(other.request == request for other in self._arrived):
                    return
        finally:
            self._forget(request)

    def _check_owner(self) -> None:
        if self._owner != (os.getpid(), threading.get_ident()):
            raise UsageError("A client is used by the thread and the process that made it.", remedy="Make a client of its own there.")

    def _nap(self, deadline: float) -> bool:
        """Wait a little, or less when something comes; return whether there is time left."""
        left = deadline - time.monotonic()
        if left > 0:
            self._session.wait(min(left, LONGEST_NAP))
        return left > 0

    def _next(self, request: int, deadline: float) -> Optional[Envelope]:
        """Return the next arrival of a request; None when time is over."""
        while True:
            self._turn()
            for envelope in self._arrived:
                if envelope.request == request:
                    self._arrived.remove(envelope)
                    return envelope
            if not self._nap(deadline):
                return None

    def _turn(self) -> None:
        """Do everything that can be done without waiting."""
        if not self._pending and not self._session.connected:
            return
        try:
            self._session.seek()
            for envelope in self._session.arrivals():
                self._take(envelope)
            if self._pending:
                self._session.keep_alive()
        except VideoMatteError as error:
            self._give_up(error)
            return
        if self._session.anew():
            self._begin_again()
        self._post()
        self._session.flush()

    def _begin_again(self) -> None:
        """Prepare for a new session: shots first, then jobs by their ids and whatever was not answered."""
        for request, pending in list(self._pending.items()):
            asked, pending.posted = pending.posted, False
            if asked and isinstance(pending.message, DaemonShutdown):
                self._end(request, Error.of(self._session.unreachable("ended before it said so")))
            elif pending.job is not None and isinstance(pending.message, (ShotSolve, JobFollow)):
                pending.message = JobFollow(pending.job)
                pending.frames = encode(pending.message, request=request)
        self._reopening = {next(self._numbers): shot for shot in self._shots}
        for request, shot in self._reopening.items():
            self._session.post(request, self._shots[shot], encode(self._shots[shot], request=request), on_pixels=False)

    def _post(self) -> None:
        if self._reopening:
            return
        for request, pending in self._pending.items():
            if not pending.posted:
                pending.posted = self._session.post(request, pending.message, pending.frames, on_pixels=pending.on_pixels)

    def _take(self, envelope: Envelope) -> None:
        """Hand an arrival to whoever waits for it; what nobody waits for any more is dropped."""
        if envelope.request in self._reopening:
            shot = self._reopening.pop(envelope.request)
            if envelope.message != ShotOpened(shot, getattr(envelope.message, "folder", None)):
                LOG.warning("the shot %s was not opened again: %s", shot, envelope.message)
            return
        if envelope.request not in self._pending:
            return
        pending, message = self._pending[envelope.request], envelope.message
        if isinstance(message, JobAccepted):
            known, pending.job = pending.job, message.job
            if known == message.job:
                return
        if not isinstance(message, (JobAccepted, Progress)):
            self._remember_shot(pending.message, message)
            del self._pending[envelope.request]
        self._arrived.append(envelope)

    def _remember_shot(self, asked: Message, end: Message) -> None:
        if isinstance(asked, ShotOpen) and isinstance(end, ShotOpened):
            self._shots[end.shot] = asked
        elif isinstance(asked, ShotClose):
            self._shots.pop(asked.shot, None)

    def _give_up(self, error: VideoMatteError) -> None:
        """End everything with the error; the next request tries anew."""
        self._session.hang_up()
        self._reopening.clear()
        for request in list(self._pending):
            self._end(request, Error.of(error))

    def _end(self, request: int, error: Error) -> None:
        del self._pending[request]
        self._arrived.append(Envelope(request, error))

    def _forget(self, request: int) -> None:
        self._pending.pop(request, None)
        self._arrived = deque(envelope for envelope in self._arrived if envelope.request != request)
