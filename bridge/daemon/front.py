"""The front: one loop that hears clients and workers and never waits for either. It knows no torch.

Control is heard before pixels, and of pixels one message at a time, so that a cancel, a ping or a question how things stand never
waits behind a frame.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from bridge.failures import explained
from bridge.shipped import Model, models
from bridge.version import VERSION
from bridge.wire import messages as wire
from bridge.wire.codec import Envelope, decode
from bridge.wire.errors import LimitError, NotAllowedError, ProtocolError, RemoteProtocolError, UnknownShotError, VideoMatteError
from bridge.wire.limits import Limits
from bridge.wire.mapping import PathMap
from bridge.wire.values import DeviceState, ModelState

from .configuration import Configuration
from .doors import Door, Doors, received
from .held import Held
from .jobs import Jobs
from .memory import resident
from .pool import Hired, Pool
from .post import Clerks, Post
from .sessions import Peer, Sessions
from .shots import Shots

TICK_MS = 100
AT_ONCE = {"control": 64, "pixels": 1}  # messages heard by a door in one turn of the loop
SWITCH_SECONDS = 0.0005  # a clerk lets the loop go on after so long, not after the usual 5 ms
STOP_SECONDS = 15.0
WHILE_STOPPING = (wire.Ping, wire.JobCancel, wire.DaemonShutdown)  # what is answered while the last frames are written
ABILITIES = ("path", "inline", "shared", "preview", "follow")
log = logging.getLogger(__name__)
Answer = Callable[[Peer, int, Any, tuple[memoryview, ...]], None]


class Front:
    """Hears and answers. `run` returns when the daemon was told to stop; `at_once`: without waiting for frames in work."""

    def __init__(self, configuration: Configuration, *, doors: Doors, pool: Pool, post: Post, jobs: Jobs, clerks: Clerks) -> None:
        self._configuration, self._doors, self._pool, self._post = configuration, doors, pool, post
        self._jobs, self._clerks = jobs, clerks
        self._limits = Limits(sessions=configuration.sessions, jobs=configuration.jobs)
        self._sessions = Sessions(most=configuration.sessions)
        self._shots = Shots(jobs, clerks=clerks, configuration=configuration)
        self._begun = time.monotonic()
        self._held = Held()
        self._stop_at: float | None = None
        self.at_once = False
        self._answers: Mapping[type[wire.Message], Answer] = {
            wire.Ping: lambda peer, request, *_: peer.say(wire.Pong(), request=request),
            wire.JobCancel: self._cancel,
            wire.JobFollow: lambda peer, request, asked, _: self._jobs.follow(asked.job, peer=peer, request=request),
            wire.Jobs: self._list,
            wire.DaemonStatus: self._status,
            wire.DaemonRelease: lambda peer, request, *_: peer.say(wire.Released(*self._jobs.release()), request=request),
            wire.DaemonShutdown: self._shutdown,
            wire.Models: self._models,
            **self._shots.answers(),
        }

    def resume(self) -> int:
        """Take up the jobs that the last daemon left; return how many."""
        return self._jobs.resume()

    def run(self) -> None:
        """Hear and answer until told to stop."""
        sys.setswitchinterval(SWITCH_SECONDS)
        poller = zmq.Poller()
        poller.register(self._post.bell, zmq.POLLIN)
        while not self._stopped():
            room = self._held.room()
            for door in self._doors.doors:
                poller.register(door.socket, zmq.POLLIN if room or door.kind == "control" else 0)
            ready = dict(poller.poll(TICK_MS))
            for call in self._post.taken():
                self._safely(call)
            for kind in ("control", "pixels"):
                for door in self._doors.doors:
                    if door.kind == kind and door.socket in ready:
                        self._hear(door)
            self._safely(lambda: self._jobs.tick(time.monotonic(), idle_after=self._configuration.idle_release))
            self._safely(self._sessions.keep)

    def stop(self, *, now: bool = False) -> None:
        """Stop: when the frames in work are written, or at once."""
        if self._stop_at is None:
            log.info("stopping")
        self.at_once = self.at_once or now
        self._stop_at = time.monotonic() + (0.0 if now else STOP_SECONDS)

    def _stopped(self) -> bool:
        return self._stop_at is not None and (self._jobs.stop() or time.monotonic() >= self._stop_at)

    @staticmethod
    def _safely(call: Callable[[], None]) -> None:
        """Make a call whose error is nobody's fault outside; the daemon lives on."""
        try:
            call()
        except Exception as error:
            log.exception("inside the daemon: %s", explained(error).message)

    def _hear(self, door: Door) -> None:
        for who, key, frames in received(door, most=AT_ONCE[door.kind]):
            peer = self._sessions.peer(door, who)
            self._safely(lambda peer=peer, key=key, frames=frames: self._take(peer, key, frames))  # type: ignore[misc]

    def _take(self, peer: Peer, key: str | None, frames: list[Any]) -> None:
        """Understand a message and answer it, or say why not."""
        try:
            envelope = decode(frames)
        except RemoteProtocolError as error:
            log.info("%s: %s", peer.session.client if peer.session else "somebody", error.message)
            return peer.object(error, request=error.request)
        try:
            peer.conversation.receive(envelope.message, request=envelope.request)
        except (ProtocolError, LimitError) as error:
            return peer.object(error, request=envelope.request)
        self._held.take(peer, envelope.request, sum(part.nbytes for part in envelope.parts))
        try:
            self._answer(peer, key, envelope)
        except VideoMatteError as error:
            peer.fail(error, request=envelope.request)
        except Exception as error:
            peer.fail(explained(error), request=envelope.request)

    def _answer(self, peer: Peer, key: str | None, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, wire.Hello):
            return self._greet(peer, key, message, envelope.request)
        if self._stop_at is not None and not isinstance(message, WHILE_STOPPING):
            raise LimitError("The daemon is stopping.", remedy="Start it again: videomatte serve")
        shot = getattr(message, "shot", None)
        if shot is not None and not peer.may_name(shot):
            raise UnknownShotError(f"The shot {shot} is not open.", remedy="Open it first.")
        self._answers[type(message)](peer, envelope.request, message, envelope.parts)

    def _greet(self, peer: Peer, key: str | None, hello: wire.Hello, request: int) -> None:
        pairs = (*hello.path_map, *self._configuration.path_map)
        if peer.door.kind == "control":
            session = self._sessions.begin(peer, client=hello.client, path_map=PathMap(pairs), key=key)
        else:
            session = self._sessions.join(peer, hello.session, key=key)
        pixels = next(d.endpoint for d in self._doors.doors if d.kind == "pixels" and d.secure == peer.door.secure)
        shared = None if peer.door.secure else str(self._configuration.shared)
        welcome = wire.Welcome(wire.PROTOCOL, VERSION, session.token, self._limits, ABILITIES, pixels, shared)
        peer.say(welcome, request=request)

    def _list(self, peer: Peer, request: int, asked: wire.Jobs, _: object) -> None:
        peer.say(wire.JobList(self._jobs.states(ended=asked.all, owner=peer.owner)), request=request)

    def _cancel(self, peer: Peer, request: int, asked: wire.JobCancel, _: object) -> None:
        self._jobs.cancel(asked.job, owner=peer.owner)
        peer.say(wire.Done(), request=request)

    def _shutdown(self, peer: Peer, request: int, asked: wire.DaemonShutdown, _: object) -> None:
        if peer.owner is not None:
            raise NotAllowedError("A client of the network may not stop the daemon.", remedy="Stop it on its own machine.")
        peer.say(wire.Done(), request=request)
        self.stop(now=asked.now)

    def _status(self, peer: Peer, request: int, *_: object) -> None:
        devices = tuple(self._device(hired) for hired in self._pool.hired.values())
        memory = resident() + sum(hired.resident for hired in self._pool.hired.values())
        uptime = time.monotonic() - self._begun
        jobs = self._jobs.states(owner=peer.owner)
        state = wire.DaemonState(os.getpid(), VERSION, uptime, devices, len(self._shots), len(self._sessions), jobs, memory)
        peer.say(state, request=request)

    def _device(self, hired: Hired) -> DeviceState:
        at = self._jobs.at(hired.name)
        state = "starting" if not hired.ready else "released" if hired.leaving is not None else "busy" if at else "idle"
        return DeviceState(
            device=hired.device or hired.asked,
            name=hired.make,
            state=state,  # type: ignore[arg-type]
            pid=hired.process.pid,
            memory_used=hired.used,
            memory_budget=self._configuration.memory or None,
            memory_total=hired.memory,
            job=at[-1] if at else None,
        )

    def _models(self, peer: Peer, request: int, *_: object) -> None:
        self._clerks.ask(
            "models",
            models,
            then=lambda found: peer.say(wire.ModelList(tuple(_model(m) for m in found)), request=request),
            otherwise=lambda error: peer.fail(explained(error), request=request),
        )


def _model(m: Model) -> ModelState:
    return ModelState(m.stage, m.file, m.bytes, m.parameters, m.sha256, not m.problem, m.licence)
