"""The two lines to one daemon: found by the connection file, greeted, watched, and found again when the daemon was started anew."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import zmq

from . import places
from .codec import Buffer, Envelope, encode
from .connection import START, Connection, read_connection, stamp
from .curve import Key, load_key
from .errors import DaemonUnreachableError, NotGreetedError
from .line import Line
from .messages import Error, Hello, Message, Ping, Welcome

LOOK_EVERY = 0.25
"""Seconds between two looks at the connection file."""
OWN_KEY = "client"


class Session:
    """Control line and pixel line. `anew` says when everything must be asked again; nothing waits but `wait`."""

    def __init__(
        self, *, name: str, path: Optional[Path], path_map: Tuple[Tuple[str, str], ...], patience: float, numbers: Iterator[int]
    ) -> None:
        self.welcome: Optional[Welcome] = None
        self._name, self._path, self._path_map, self._patience, self._numbers = name, path, path_map, patience, numbers
        self._pid = os.getpid()
        self._context: Optional[zmq.Context[zmq.Socket[bytes]]] = None
        self._connection: Optional[Connection] = None
        self._lines: Dict[str, Line] = {}
        self._stamp = (0, 0, 0)
        self._look_at = 0.0
        self._anew = False
        self._dialled_at = 0.0
        self._lost_at: Optional[float] = None
        self._pinged: Optional[float] = None
        self._heard = 0.0

    @property
    def connected(self) -> bool:
        """Whether there is a line, greeted or not."""
        return bool(self._lines)

    def expect(self) -> None:
        """Begin to count silence from now: something is about to be asked."""
        self._heard, self._look_at = time.monotonic(), 0.0

    def anew(self) -> bool:
        """Return, once, whether the lines were dialled since this was last asked."""
        anew, self._anew = self._anew, False
        return anew

    def seek(self) -> None:
        """Look at the connection file now and then, and dial when there is a daemon that is not the one before.

        Raises DaemonUnreachableError when there is none, or patience is over.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            found = self._found()
            if found is not None:
                self._dial(found, lost_at=now)
        if self._lost_at is not None and now - self._lost_at > self._patience:
            raise self.unreachable(f"has not answered for {self._patience:g} s")

    def keep_alive(self) -> None:
        """Ask for a sign of life after a while of silence, and dial again when there is none."""
        now, control = time.monotonic(), self._lines.get("control")
        if control is None or not control.greeted:
            return
        if self._pinged is None and now - self._heard > self._patience / 4:
            self._pinged = now
            request = next(self._numbers)
            control.post(request, Ping(), encode(Ping(), request=request))
        elif self._pinged is not None and now - self._pinged > self._patience / 4 and self._connection is not None:
            self._dial(self._connection, lost_at=now - self._patience / 2)

    def post(self, request: int, message: Message, frames: List[Buffer], *, on_pixels: bool) -> bool:
        """Put a request on its line; return whether there is a line to put it on."""
        if on_pixels and self.welcome is not None and self._connection is not None and "pixels" not in self._lines:
            self._open("pixels", self._connection.pixels, session=self.welcome.session)
        line = self._lines.get("pixels" if on_pixels else "control")
        if line is None:
            return False
        line.post(request, message, frames)
        return True

    def flush(self) -> None:
        """Send what the sockets take."""
        for line in self._lines.values():
            line.flush()

    def arrivals(self) -> Iterator[Envelope]:
        """Yield what came, without greetings.

        Raises the error that a daemon answers to hello, or that blames no request, such as one about the version.
        """
        for line in tuple(self._lines.values()):
            for envelope in line.arrivals():
                self._heard, self._pinged = time.monotonic(), None
                if isinstance(envelope.message, Welcome):
                    self._greeted(line, envelope.message)
                elif isinstance(envelope.message, Error) and not self._passes(line, envelope.message):
                    return
                else:
                    yield envelope

    def wait(self, seconds: float) -> None:
        """Wait so long, or less when a socket has or takes something."""
        if not self._lines:
            time.sleep(seconds)
            return
        poller = zmq.Poller()
        for line in self._lines.values():
            poller.register(line.socket, zmq.POLLIN | (zmq.POLLOUT if line.wants_to_send else 0))
        poller.poll(max(1, int(seconds * 1000)))

    def unreachable(self, what: str) -> DaemonUnreachableError:
        """Return the error that names the address and how to start a daemon."""
        connection = self._connection
        where = connection.control if connection else str(self._path or places.connection_file())
        remedy = START if connection is None or connection.local else f"{START}; it must know this client's key (videomatte keys)."
        return DaemonUnreachableError(f"The daemon at {where} {what}.", remedy=remedy)

    def hang_up(self) -> None:
        """Close the lines; the next request looks for a daemon anew."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()
        self.welcome, self._connection, self._stamp, self._lost_at, self._pinged = None, None, (0, 0, 0), None, None
        self._look_at, self._anew = 0.0, False

    def close(self) -> None:
        """Close everything at once; a forked child leaves the parent's sockets alone."""
        if self._pid == os.getpid():
            self.hang_up()
            if self._context is not None:
                self._context.term()
        self._lines.clear()
        self._context = None

    def _found(self) -> Optional[Connection]:
        """Return the daemon of the connection file when it is not the one of the lines.

        Raises the error of finding none when there are no lines; a daemon that is being started anew gets time.
        """
        now_stamp = stamp(self._path)
        if self._lines and now_stamp in (self._stamp, (0, 0, 0)):
            return None
        try:
            connection = read_connection(self._path)
            _check_somebody_listens(connection)
        except DaemonUnreachableError:
            if self._lines:
                return None
            raise
        self._stamp = now_stamp
        return None if self._lines and connection == self._connection else connection

    def _dial(self, connection: Connection, *, lost_at: float) -> None:
        """Drop the lines there are and say hello to a daemon."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()
        self.welcome, self._connection, self._pinged, self._anew = None, connection, None, True
        self._dialled_at = time.monotonic()
        if self._lost_at is None:
            self._lost_at = lost_at
        self._open("control", connection.control)

    def _open(self, which: str, endpoint: str, *, session: Optional[str] = None) -> None:
        if self._context is None:
            self._context = zmq.Context()
        connection = self._connection
        assert connection is not None
        key = _own_key(connection)
        try:
            line = self._lines[which] = Line(self._context, endpoint, carries_pixels=which == "pixels")
            line.connect(connection, key)
        except zmq.ZMQError as error:
            raise DaemonUnreachableError(f"The daemon's endpoint {endpoint!r} cannot be used: {error.strerror}.", remedy=START) from None
        hello = Hello(client=self._name, path_map=self._path_map if session is None else (), session=session)
        request = next(self._numbers)
        line.post(request, hello, encode(hello, request=request))

    def _greeted(self, line: Line, welcome: Welcome) -> None:
        if line is self._lines.get("control"):
            self.welcome, self._lost_at = welcome, None

    def _passes(self, line: Line, error: Error) -> bool:
        """Return whether an error belongs to a request; one about greetings has the daemon greeted anew, or raises."""
        now = time.monotonic()
        unknown = error.code == NotGreetedError.code and self.welcome is not None
        if unknown and self._connection is not None and now - self._dialled_at > LOOK_EVERY:
            self._dial(self._connection, lost_at=now)
            return False
        if not line.greeted:
            raise error.exception()
        return True


def _own_key(connection: Connection) -> Optional[Key]:
    """Return the key that this client shows to a daemon with CURVE. Raises UsageError when there is none."""
    if connection.server_key is None:
        return None
    if connection.client_public and connection.client_secret:
        return Key(connection.client_public, connection.client_secret)
    return load_key(OWN_KEY)


def _check_somebody_listens(connection: Connection) -> None:
    """Raise DaemonUnreachableError when a local socket is not there or nobody holds it any more."""
    if not connection.local or not hasattr(socket, "AF_UNIX"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(connection.control[len("ipc://") :])
        except BlockingIOError:
            return
        except OSError:
            raise DaemonUnreachableError(
                f"No daemon answers at {connection.control}; the one that was there (pid {connection.pid}) is gone.", remedy=START
            ) from None
