"""One socket to the daemon and the conversation on it. Nothing here waits: what cannot be sent now stays in the outbox."""

from __future__ import annotations

import logging
from collections import deque
from typing import Deque, Iterator, List, Optional, Tuple

import zmq

from .codec import Buffer, Envelope, decode
from .connection import Connection
from .conversation import Conversation, Footing, Role
from .curve import Key
from .errors import ProtocolError
from .limits import HEADER_BYTES, OPEN_REQUESTS, PART_BYTES
from .messages import Error, Hello, Message

RECONNECT_MS = 50
RECONNECT_MOST_MS = 1000
HEARTBEAT_MS = 5000
PIXELS_ON_THEIR_WAY = 2
"""Messages that ZeroMQ copies before the daemon reads them; the others wait uncopied in the outbox."""
LOG = logging.getLogger(__name__)

Outgoing = Tuple[int, Message, List[Buffer]]


class Line:
    """A DEALER socket: hello first, then requests in the order they were posted."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, *, carries_pixels: bool) -> None:
        self.endpoint = endpoint
        self.conversation = Conversation(Role.CLIENT)
        self._outbox: Deque[Outgoing] = deque()
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        self.socket.setsockopt(zmq.MAXMSGSIZE, PART_BYTES if carries_pixels else HEADER_BYTES)
        self.socket.setsockopt(zmq.SNDHWM, PIXELS_ON_THEIR_WAY if carries_pixels else OPEN_REQUESTS)
        self.socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MOST_MS)

    def connect(self, connection: Connection, key: Optional[Key]) -> None:
        """Connect, with CURVE where the daemon has a key. The answer is not waited for."""
        if connection.server_key and key:
            self.socket.setsockopt(zmq.CURVE_SERVERKEY, connection.server_key.encode())
            self.socket.setsockopt(zmq.CURVE_PUBLICKEY, key.public.encode())
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, key.secret.encode())
        if not connection.local:
            self.socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        self.socket.connect(self.endpoint)

    @property
    def greeted(self) -> bool:
        """Whether the daemon said welcome."""
        return self.conversation.footing is Footing.GREETED

    @property
    def wants_to_send(self) -> bool:
        """Whether something waits that may be sent as soon as the socket takes it."""
        if not self._outbox or len(self.conversation.open_requests) >= OPEN_REQUESTS:
            return False
        return self.greeted or isinstance(self._outbox[0][1], Hello)

    def post(self, request: int, message: Message, frames: List[Buffer]) -> None:
        """Put a message into the outbox."""
        self._outbox.append((request, message, frames))

    def flush(self) -> None:
        """Send what the socket takes."""
        while self.wants_to_send:
            request, message, frames = self._outbox[0]
            try:
                self.socket.send_multipart(frames, zmq.NOBLOCK)
            except zmq.Again:
                return
            self._outbox.popleft()
            self.conversation.send(message, request=request)

    def arrivals(self) -> Iterator[Envelope]:
        """Yield what came. A message that makes no sense ends the request it names; one that names none is logged and dropped."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            envelope = self._understood([frame.buffer for frame in frames])
            if envelope is not None:
                yield envelope

    def close(self) -> None:
        """Close the socket; what was not sent is dropped."""
        self._outbox.clear()
        self.socket.close()

    def _understood(self, frames: List[memoryview]) -> Optional[Envelope]:
        try:
            envelope = decode(frames)
            self.conversation.receive(envelope.message, request=envelope.request)
        except ProtocolError as error:
            LOG.warning("from %s: %s", self.endpoint, error.message)
            if self.greeted and self.conversation.ended(error.request):
                return None
            said = Error.of(error)
            if not self.conversation.ended(error.request):
                self.conversation.receive(said, request=error.request)
            return Envelope(error.request, said)
        return envelope
