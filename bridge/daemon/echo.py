"""A process that gives trimaps back as alphas: with it `videomatte bench transport` measures how long pixels travel. Nothing is solved.

XDG_RUNTIME_DIR=FOLDER python -m bridge.daemon.echo     says where it listens on standard output, ends with its standard input
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from bridge.version import VERSION
from bridge.wire import messages as wire
from bridge.wire import places
from bridge.wire.codec import decode
from bridge.wire.connection import Connection, write_connection
from bridge.wire.errors import UsageError, VideoMatteError
from bridge.wire.limits import Limits
from bridge.wire.mapping import PathMap
from bridge.wire.pixels import InlinePixels, SharedPixels
from bridge.wire.shared import SharedFiles, picture_view

from .doors import Door, Doors, received
from .sessions import Peer, Sessions


class Echo:
    """Takes frames, and answers for the alpha of one with its trimap as floats: in place in shared memory, or as a part."""

    def __init__(self, doors: Doors, *, shared: Path) -> None:
        self._doors, self._files = doors, SharedFiles(shared)
        self._sessions = Sessions(most=4)
        self._trimap: NDArray[np.float32] = np.zeros((1, 1), np.float32)

    def run(self) -> None:
        """Answer until standard input ends."""
        poller = zmq.Poller()
        for socket in (*(door.socket for door in self._doors.doors), sys.stdin.fileno()):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if sys.stdin.fileno() in ready:
                return self._files.close()
            for door in self._doors.doors:
                for who, _, frames in received(door, most=4) if door.socket in ready else ():
                    self._hear(self._sessions.peer(door, who), door, frames)
            self._sessions.keep()

    def _hear(self, peer: Peer, door: Door, frames: list[Any]) -> None:
        envelope = decode(frames)
        request, asked = envelope.request, envelope.message
        peer.conversation.receive(asked, request=request)
        try:
            if isinstance(asked, wire.Hello):
                self._greet(peer, door, asked, request)
            elif isinstance(asked, wire.Ping):
                peer.say(wire.Pong(), request=request)
            elif isinstance(asked, wire.ShotFrame):
                self._keep(asked, envelope.parts)
                peer.say(wire.Done(), request=request)
            elif isinstance(asked, wire.ShotResult):
                self._answer(peer, asked, request)
            else:
                raise UsageError("An echo knows frames and results alone.")
        except VideoMatteError as error:
            peer.fail(error, request=request)

    def _greet(self, peer: Peer, door: Door, hello: wire.Hello, request: int) -> None:
        if door.kind == "control":
            session = self._sessions.begin(peer, client=hello.client, path_map=PathMap(), key=None)
        else:
            session = self._sessions.join(peer, hello.session, key=None)
        pixels = next(d.endpoint for d in self._doors.doors if d.kind == "pixels")
        welcome = wire.Welcome(wire.PROTOCOL, VERSION, session.token, Limits(), ("inline", "shared"), pixels, str(self._files.folder))
        peer.say(welcome, request=request)

    def _keep(self, asked: wire.ShotFrame, parts: tuple[memoryview, ...]) -> None:
        if asked.what == "trimap":
            pixels = asked.pixels
            if isinstance(pixels, SharedPixels):
                self._trimap = self._view(pixels)
            elif isinstance(pixels, InlinePixels):
                self._trimap = np.frombuffer(parts[pixels.part], pixels.dtype).reshape(pixels.shape)

    def _answer(self, peer: Peer, asked: wire.ShotResult, request: int) -> None:
        if asked.into is not None:
            np.copyto(self._view(asked.into), self._trimap)
            return peer.say(wire.FrameResult(asked.frame, "solved", asked.into), request=request)
        alpha = self._trimap.copy()
        pixels = InlinePixels("float32", alpha.shape)
        peer.say(wire.FrameResult(asked.frame, "solved", pixels), request=request, parts=[memoryview(alpha)])

    def _view(self, pixels: SharedPixels) -> NDArray[np.float32]:
        """Return H×W float32 in shared memory, in place."""
        size = pixels.offset + 4 * int(np.prod(pixels.shape))
        return np.asarray(picture_view(self._files.get(pixels.name, size=size), pixels))


def main() -> None:
    """Answer below the runtime folder until standard input ends."""
    runtime = places.private(places.runtime_folder())
    shared = places.private(places.shared_folder())
    doors = Doors()
    try:
        control, pixels = doors.local()
        path = write_connection(Connection(control, pixels), path=runtime / "daemon.json")
        print(path, flush=True)
        Echo(doors, shared=shared).run()
    finally:
        doors.close()
        shared.rmdir()


if __name__ == "__main__":
    main()
