"""Pixels that came in and are not on disk yet: while there are too many, no more are taken in, and their senders wait."""

from __future__ import annotations

from .sessions import Peer

MOST_BYTES = 1 << 30


class Held:
    """The bytes that open requests brought."""

    def __init__(self, *, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes: dict[tuple[Peer, int], int] = {}

    def take(self, peer: Peer, request: int, size: int) -> None:
        """Note the pixels of a request; they count until it ends."""
        if size:
            self._bytes[peer, request] = size

    def room(self) -> bool:
        """Tell whether more pixels may come in."""
        self._bytes = {(peer, n): size for (peer, n), size in self._bytes.items() if not peer.gone and not peer.conversation.ended(n)}
        return sum(self._bytes.values()) < self._most
