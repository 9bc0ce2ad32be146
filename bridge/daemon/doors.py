"""The daemon's sockets: a control endpoint and a pixel endpoint, each once for this machine's user and, with keys, once for the network.

Every TCP endpoint, loopback too, uses CURVE and lets in the clients of the allow-list alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from bridge.wire import curve, places
from bridge.wire.errors import NotAllowedError, StorageError, UsageError
from bridge.wire.limits import HEADER_BYTES, PART_BYTES

WAITING = {"control": 1000, "pixels": 2}  # messages kept in the socket for a client that does not read
LAST_PORT = 65535
DOMAIN = "videomatte"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Door:
    """One bound socket. `secure`: only clients with a key come in by it."""

    kind: str
    secure: bool
    endpoint: str
    socket: zmq.Socket[bytes] = field(compare=False)


class AllowList:
    """Lets in the clients whose public keys lie in the folder of keys, as they are there now."""

    def __init__(self, keys: Path | None) -> None:
        self._keys = keys

    def callback(self, _domain: str, key: bytes) -> bool:
        """Tell whether a client with this key may come in; nobody may when the folder cannot be read."""
        try:
            return key.decode("ascii", "replace") in curve.allowed_clients(folder=self._keys)
        except OSError as error:
            log.warning("the keys cannot be read: %s", error)
            return False


class Doors:
    """All sockets of a daemon. Open them with `local` and `network`, close them with `close`."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.setsockopt(zmq.BLOCKY, 0)
        self.doors: list[Door] = []
        self._authenticator: ThreadAuthenticator | None = None
        self._sockets: list[Path] = []

    def local(self) -> tuple[str, str]:
        """Bind the endpoints of this user and return their addresses. Raises NotAllowedError, StorageError."""
        folder = places.private(places.socket_folder())
        found = []
        for kind in ("control", "pixels"):
            path = folder / f"{kind}.sock"
            path.unlink(missing_ok=True)
            found.append(self._bound(kind, f"ipc://{path}"))
            path.chmod(0o600)
            self._sockets.append(path)
        return found[0], found[1]

    def network(self, address: str, *, key: curve.Key, keys: Path | None) -> tuple[str, str]:
        """Bind endpoints that other machines reach, `HOST:PORT` and the next port, and return their addresses.

        Raises UsageError for something else, NotAllowedError when no client has a key that may come in, StorageError when the address is
        not to be had.
        """
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > LAST_PORT - 1:
            raise UsageError(f"{address} is not HOST:PORT.", remedy="Name an address and a port, such as 0.0.0.0:7700.")
        if not curve.allowed_clients(folder=keys):
            raise NotAllowedError(
                "No client key is allowed, so nobody could connect.", remedy="Allow one: videomatte keys allow NAME PUBLIC-KEY"
            )
        self._authenticator = ThreadAuthenticator(self.context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(domain=DOMAIN, credentials_provider=AllowList(keys))
        control, pixels = (f"tcp://{host}:{int(port) + n if int(port) else '*'}" for n in (0, 1))
        return self._bound("control", control, key=key), self._bound("pixels", pixels, key=key)

    def _bound(self, kind: str, endpoint: str, *, key: curve.Key | None = None) -> str:
        socket = self.context.socket(zmq.ROUTER)
        for option, value in self._options(kind).items():
            socket.setsockopt(option, value)
        if key is not None:
            socket.curve_server = True
            socket.curve_secretkey = key.secret.encode()
            socket.curve_publickey = key.public.encode()
            socket.zap_domain = DOMAIN.encode()
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            socket.close()
            raise StorageError(f"{endpoint} cannot be listened on: {error.strerror}.", remedy="Choose another address.") from None
        where = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.doors.append(Door(kind, key is not None, where, socket))
        return where

    @staticmethod
    def _options(kind: str) -> dict[int, int]:
        return {
            zmq.LINGER: 200,
            zmq.MAXMSGSIZE: HEADER_BYTES if kind == "control" else PART_BYTES,
            zmq.SNDHWM: WAITING[kind],
            zmq.RCVHWM: WAITING[kind],
            zmq.ROUTER_MANDATORY: 1,
            zmq.ROUTER_HANDOVER: 0,
            zmq.HEARTBEAT_IVL: 5000,
            zmq.HEARTBEAT_TIMEOUT: 15000,
            zmq.HANDSHAKE_IVL: 10000,
        }

    def close(self) -> None:
        """Close every socket and take the local ones off the disk."""
        for door in self.doors:
            door.socket.close()
        if self._authenticator is not None:
            self._authenticator.stop()
        for path in self._sockets:
            path.unlink(missing_ok=True)
        self.context.term()


def received(door: Door, *, most: int) -> Iterator[tuple[bytes, str | None, list[Any]]]:
    """Yield what came in by a door, at most so many messages: who, by which key, the frames."""
    for _ in range(most):
        try:
            who, *frames = door.socket.recv_multipart(zmq.DONTWAIT, copy=False)
        except zmq.Again:
            return
        yield who.bytes, _key(frames[-1]) if door.secure and frames else None, [frame.buffer for frame in frames]


def sent(door: Door, who: bytes, frames: Sequence[Any]) -> bool | None:
    """Send without waiting; return whether it went, None when the peer is gone."""
    try:
        door.socket.send_multipart([who, *frames], zmq.DONTWAIT, copy=False)
    except zmq.Again:
        return False
    except zmq.ZMQError:
        return None
    return True


def _key(frame: Any) -> str | None:
    """Return the public key of the client that sent a frame."""
    try:
        found: str = frame.get("User-Id")
    except zmq.ZMQError:
        return None
    return found
