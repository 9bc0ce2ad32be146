"""What is said to the daemon about a shot, in a thread of its own: nothing here knows Nuke."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Protocol, Tuple, Union

from .link import Link
from .wire.client import Client
from .wire.description import Description
from .wire.errors import CancelledError
from .wire.messages import (
    Error,
    FrameResult,
    Job,
    JobAccepted,
    JobCancel,
    JobResult,
    Ping,
    Progress,
    ShotKey,
    ShotOpen,
    ShotPreview,
    ShotSolve,
    ShotState,
    ShotStatus,
)
from .wire.pixels import FilePixels

GREETING = 1.0  # seconds in which a daemon that is there answers
PATIENCE = 10.0  # seconds of silence after which a daemon that was there is gone
OPENING = 300.0  # seconds that a slow disk may take
ANSWER = 10.0  # seconds that a question may keep the interface waiting
FAREWELL = 2.0  # seconds that a cancelled job may take to say so
TICK = 0.1


class Heard(Protocol):
    """Who listens to a job."""

    def progress(self, text: str, share: float) -> None:
        """Hear what is done; share 0 to 1."""

    def cancelled(self) -> bool:
        """Return whether the artist has cancelled."""


@dataclass(frozen=True)
class Order:
    """What is asked: a shot in its folder, the files of its keys by frame, and the frame to preview when it is not a solve."""

    folder: str
    description: Description
    keys: Mapping[int, str]
    channel: Optional[str] = None
    preview: Optional[int] = None


@dataclass(frozen=True)
class Outcome:
    """What came of it. `version`: the folder of the mattes; `sent`: the keys that were new; `advice`: where another key would help most."""

    result: Union[JobResult, FrameResult]
    version: Optional[str] = None
    sent: Tuple[int, ...] = ()
    advice: Tuple[int, ...] = field(default=())


def client_for(link: Link, *, patience: Optional[float] = None) -> Client:
    """Return a client, which belongs to the thread that asks."""
    silence = PATIENCE if patience is None else patience
    return Client(name="nuke", connection=link.connection, path_map=link.path_map, patience=silence)


def greet(link: Link) -> None:
    """Return when a daemon answers. Raises DaemonUnreachableError within about a second, naming address and start command."""
    with client_for(link, patience=GREETING) as client:
        client.call(Ping(), timeout=GREETING)


def carried_out(order: Order, *, link: Link, heard: Heard) -> Outcome:
    """Open the shot, send the keys that changed, solve or preview, and return what came of it. Raises VideoMatteError."""
    with client_for(link) as client:
        heard.progress("opening the shot", 0.0)
        shot = client.call(ShotOpen(order.description, folder=order.folder), timeout=OPENING).shot
        sent = tuple(_keys_sent(client, shot, order, heard))
        job: Union[ShotSolve, ShotPreview] = ShotSolve(shot) if order.preview is None else ShotPreview(shot, order.preview)
        result = _ended(client, job, heard)
        state = client.call(ShotStatus(shot, frames=str(min(order.keys))), timeout=OPENING)
        return Outcome(result, version=state.version, sent=sent, advice=state.advice)


def asked(folder: str, *, link: Link, frames: Optional[str] = None) -> ShotState:
    """Return how the shot in a folder stands. Raises VideoMatteError."""
    with client_for(link) as client:
        shot = client.call(ShotOpen(Description(), folder=folder), timeout=ANSWER).shot
        return client.call(ShotStatus(shot, frames=frames), timeout=ANSWER)


def _keys_sent(client: Client, shot: str, order: Order, heard: Heard) -> Iterator[int]:
    """Send the keys that the shot does not have or that changed since, take away those that are none any more; yield what was sent."""
    here = client.call(ShotStatus(shot, frames=str(min(order.keys))), timeout=OPENING).keys
    store = os.path.join(order.folder, ".nuke", "sent.json")
    known = _sent_before(store)
    digests = {frame: _digest(path) for frame, path in order.keys.items()}
    for frame in sorted(set(here) - set(digests)):
        client.call(ShotKey(shot, frame, "remove"), timeout=OPENING)
    for frame, path in sorted(order.keys.items()):
        if heard.cancelled():
            raise CancelledError("The job was cancelled.", frame=frame)
        if frame in here and known.get(frame) == (digests[frame], order.channel):
            continue
        heard.progress("sending the key of frame %d" % frame, 0.0)
        client.call(ShotKey(shot, frame, "set", FilePixels(path), order.channel), timeout=OPENING)
        yield frame
    _remember(store, {frame: (digest, order.channel) for frame, digest in digests.items()})


def _ended(client: Client, job: Job[Any], heard: Heard) -> Union[JobResult, FrameResult]:
    """Submit a job and return its end; cancel it when the artist does. Raises the error that it ends with."""
    request, name, leaving = client.send(job), None, None
    while True:
        for envelope in client.poll(wait=TICK):
            message = envelope.message
            if envelope.request != request:
                continue
            if isinstance(message, Error):
                raise message.exception()
            if isinstance(message, JobAccepted):
                name = message.job
                heard.progress("waiting for its turn", 0.0)
            elif isinstance(message, Progress):
                heard.progress("%s, frame %d (%d of %d)" % (message.stage, message.frame, message.done, message.total), share(message))
            elif isinstance(message, (JobResult, FrameResult)):
                return message
        if leaving is None and name is not None and heard.cancelled():
            leaving = time.monotonic() + FAREWELL
            client.send(JobCancel(name))
        if leaving is not None and time.monotonic() > leaving:
            raise CancelledError("The job was cancelled.")


def share(progress: Progress) -> float:
    """Return how much of a job is done, 0 to 1: the stages count alike."""
    return min(1.0, progress.done / progress.total) if progress.total else 0.0


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _sent_before(store: str) -> Dict[int, Tuple[str, Optional[str]]]:
    """Return the digests and channels of the keys that were sent, by frame; nothing when that cannot be read."""
    try:
        with open(store, encoding="utf-8") as file:
            return {int(frame): (str(digest), channel) for frame, (digest, channel) in json.load(file).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(store: str, sent: Mapping[int, Tuple[str, Optional[str]]]) -> None:
    unfinished = store + ".new"
    os.makedirs(os.path.dirname(store), exist_ok=True)
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump({str(frame): list(what) for frame, what in sent.items()}, file)
    os.replace(unfinished, store)


def summary(state: ShotState) -> str:
    """Return how a shot stands in one line: `24 solved, 3 stale; keys 1001,1012; locked 1001-1010`."""
    counts: Dict[str, int] = {}
    for run in state.frames:
        counts[run.state] = counts.get(run.state, 0) + (run.last - run.first) // (run.step or 1) + 1
    parts: List[str] = [", ".join("%d %s" % (count, name) for name, count in counts.items()) or "no frames"]
    if state.keys:
        parts.append("keys " + ",".join(str(frame) for frame in state.keys))
    if state.locked:
        parts.append("locked " + state.locked)
    return "; ".join(parts)
