"""Who is connected: one session for each client, on one or both endpoints."""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.wire.codec import encode
from bridge.wire.conversation import Conversation, Role
from bridge.wire.errors import LimitError, LocalProtocolError, NotGreetedError, VideoMatteError
from bridge.wire.mapping import PathMap
from bridge.wire.messages import Error, Message, Progress, ShotOpened

from .doors import Door, sent

OUTBOX = 256  # messages, besides progress, kept for a client that does not read
OUTBOX_BYTES = 1 << 29
Address = tuple[str, bytes]
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Session:
    """A client: its name, how it sees paths, the key it came with (None on this machine), the shots that were opened for it."""

    token: str
    client: str
    path_map: PathMap
    key: str | None
    peers: dict[str, Peer] = field(default_factory=dict)
    shots: set[str] = field(default_factory=set)

    @property
    def seen(self) -> float:
        return max((peer.seen for peer in self.peers.values()), default=0.0)

    @property
    def waiting(self) -> bool:
        """Whether an answer is owed."""
        return any(peer.conversation.open_requests for peer in self.peers.values())


@dataclass(eq=False)
class Peer:
    """One end of a line: a client on one endpoint."""

    door: Door
    who: bytes
    session: Session | None = None
    conversation: Conversation = field(default_factory=lambda: Conversation(Role.DAEMON))
    outbox: deque[list[Any]] = field(default_factory=deque)
    seen: float = field(default_factory=time.monotonic)
    gone: bool = False

    @property
    def owner(self) -> str | None:
        """Whose jobs this client may see and cancel: those that came with its key; None, on this machine, for all."""
        return (self.session.key if self.session else None) or "" if self.door.secure else None

    def may_name(self, shot: str) -> bool:
        """Tell whether a client may ask about a shot: on this machine about any, else about those it opened itself."""
        return not self.door.secure or (self.session is not None and shot in self.session.shots)

    def say(self, message: Message, *, request: int, parts: Sequence[Any] = ()) -> None:
        """Answer a request, if it is still open. Progress is left out for a client that does not read.

        An answer that cannot be sent as it is, such as one that is too long, ends the request with the reason.
        """
        if self.gone or (request and self.conversation.ended(request)):
            return
        try:
            frames = encode(message, request=request, parts=parts)
        except LocalProtocolError as error:
            log.warning("request %d of %s: %s", request, self.session.client if self.session else "somebody", error.message)
            message = Error.of(error)
            frames = encode(message, request=request)
        self.conversation.send(message, request=request)
        if isinstance(message, ShotOpened) and self.session is not None:
            self.session.shots.add(message.shot)
        if self.outbox or not self._sent(frames):
            if not isinstance(message, Progress):
                self.outbox.append(frames)
            waiting = sum(memoryview(frame).nbytes for frames in self.outbox for frame in frames)
            self.gone = self.gone or len(self.outbox) > OUTBOX or waiting > OUTBOX_BYTES

    def fail(self, error: VideoMatteError, *, request: int) -> None:
        """End a request with an error."""
        self.say(Error.of(error), request=request)

    def object(self, error: VideoMatteError, *, request: int) -> None:
        """Answer something that was no request."""
        self._sent(encode(Error.of(error), request=request))

    def flush(self) -> None:
        """Send what waited."""
        while self.outbox and self._sent(self.outbox[0]):
            self.outbox.popleft()

    def _sent(self, frames: list[Any]) -> bool:
        went = sent(self.door, self.who, frames)
        self.gone = self.gone or went is None
        return went is not False


class Sessions:
    """Every session and its peers. When there are too many, the one that was silent longest and is owed nothing goes."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._peers: dict[Address, Peer] = {}
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def peer(self, door: Door, who: bytes) -> Peer:
        """Return the peer of an address; one that is not known yet is kept once it is greeted."""
        found = self._peers.get((door.endpoint, who))
        if found is None:
            return Peer(door, who)
        found.seen = time.monotonic()
        return found

    def begin(self, peer: Peer, *, client: str, path_map: PathMap, key: str | None) -> Session:
        """Begin a session on the control endpoint. Raises LimitError when there are too many."""
        if len(self._sessions) >= self._most:
            self._make_room()
        session = Session(secrets.token_hex(16), client, path_map, key)
        self._sessions[session.token] = session
        self._join(session, peer)
        return session

    def join(self, peer: Peer, token: str | None, *, key: str | None) -> Session:
        """Join the pixel endpoint to a session. Raises NotGreetedError when there is no such session of that client."""
        session = self._sessions.get(token or "")
        if session is None or session.key != key:
            raise NotGreetedError("This session is not known here.", remedy="Say hello on the control endpoint first.")
        self._join(session, peer)
        return session

    def keep(self) -> None:
        """Send what waits, and forget the peers that are gone."""
        for address, peer in list(self._peers.items()):
            peer.flush()
            if peer.gone:
                self._forget(address, peer)

    def _join(self, session: Session, peer: Peer) -> None:
        peer.session = session
        session.peers[peer.door.kind] = peer
        self._peers[peer.door.endpoint, peer.who] = peer

    def _make_room(self) -> None:
        silent = [s for s in self._sessions.values() if not s.waiting]
        if not silent:
            raise LimitError(f"{self._most} clients are connected.", remedy="Close some, or start the daemon with --sessions.")
        oldest = min(silent, key=lambda s: s.seen)
        for peer in list(oldest.peers.values()):
            self._forget((peer.door.endpoint, peer.who), peer)
        self._sessions.pop(oldest.token, None)

    def _forget(self, address: Address, peer: Peer) -> None:
        peer.gone = True
        self._peers.pop(address, None)
        session = peer.session
        if session is not None:
            if session.peers.get(peer.door.kind) is peer:
                del session.peers[peer.door.kind]
            if not session.peers:
                self._sessions.pop(session.token, None)
