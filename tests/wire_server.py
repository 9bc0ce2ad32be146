"""A small daemon for tests of the wire: two ROUTER endpoints, wire's own codec and conversation, no pixels computed.

It answers an alpha of 0.5 everywhere, solves `n` frames as fast as progress can be told, and holds a job back when its frames are "held".
"""

from __future__ import annotations

import importlib
import os
import threading
from pathlib import Path
from typing import Any

import zmq


class Server:
    """Two endpoints in a thread of their own. `heard` lists what was asked, as types.

    `silent`: nothing is answered. `instead`: what is said to everything in place of an answer. `curve`: TCP with keys.
    """

    def __init__(self, folder: Path, *, package: str = "bridge.wire", file: Path | None = None, curve: bool = False) -> None:
        self.wire = {
            name: importlib.import_module(f"{package}.{name}")
            for name in ("codec", "connection", "conversation", "errors", "limits", "messages", "pixels", "values")
        }
        self.heard: list[str] = []
        self.names: list[str] = []
        self.silent = self.refuses_shots = False
        self.instead: list[bytes] = []
        self.jobs: dict[str, str] = {}
        self.shots: dict[str, Any] = {}
        self.keys: dict[str, bytes] = {}
        self._conversations: dict[tuple[str, bytes], Any] = {}
        self._folder, self._stop = folder, threading.Event()
        self._context = zmq.Context()
        own, guest = (zmq.curve_keypair(), zmq.curve_keypair()) if curve else (None, None)
        self._sockets = {
            name: self._bound("tcp://127.0.0.1:*" if own else f"ipc://{folder}/{name}.sock", own) for name in ("control", "pixels")
        }
        control, pixels = (socket.getsockopt_string(zmq.LAST_ENDPOINT) for socket in self._sockets.values())
        connection = self.wire["connection"]
        self.file = file or folder / "daemon.json"
        keys = (own[0].decode(), guest[0].decode(), guest[1].decode()) if own and guest else ()
        self.connection = connection.Connection(control, pixels, os.getpid(), "0.0", (1, 0), connection.new_start(), *keys)
        connection.write_connection(self.connection, path=self.file)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self, *, tidy: bool = True) -> None:
        """End; an untidy end leaves the connection file, as kill -9 does."""
        self._stop.set()
        self._thread.join(10)
        for socket in self._sockets.values():
            socket.close(0)
        self._context.term()
        if tidy:
            self.file.unlink(missing_ok=True)

    def _bound(self, endpoint: str, key: tuple[bytes, bytes] | None) -> Any:
        socket = self._context.socket(zmq.ROUTER)
        if key:
            socket.curve_server, (socket.curve_publickey, socket.curve_secretkey) = True, key
        socket.setsockopt(zmq.MAXMSGSIZE, 1 << 30)
        socket.bind(endpoint)
        return socket

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in self._sockets.values():
            poller.register(socket, zmq.POLLIN)
        while not self._stop.is_set():
            ready = dict(poller.poll(20))
            for name, socket in self._sockets.items():
                if socket in ready:
                    who, *frames = socket.recv_multipart()
                    self._hear(name, who, frames)

    def _hear(self, name: str, who: bytes, frames: list[bytes]) -> None:
        m, errors = self.wire["messages"], self.wire["errors"]
        talk = self._conversations.setdefault((name, who), self.wire["conversation"].Conversation(self.wire["conversation"].Role.DAEMON))
        request = 0
        try:
            envelope = self.wire["codec"].decode(frames)
            request = envelope.request
            self.heard.append(m.type_name(type(envelope.message)))
            if self.silent:
                return
            if self.instead:
                self._sockets[name].send_multipart([who, *self.instead])
                return
            talk.receive(envelope.message, request=request)
            answers = list(self._answers(envelope))
        except errors.ProtocolError as error:
            self._sockets[name].send_multipart([who, *self.wire["codec"].encode(m.Error.of(error), request=error.request)])
            return
        except errors.VideoMatteError as error:
            answers = [(m.Error.of(error), [])]
        for message, parts in answers:
            talk.send(message, request=request)
            self._sockets[name].send_multipart([who, *self.wire["codec"].encode(message, request=request, parts=parts)])

    def _answers(self, envelope: Any) -> Any:
        m, errors = self.wire["messages"], self.wire["errors"]
        asked = envelope.message
        kind = type(asked).__name__
        if kind == "Hello":
            self.names.append(asked.client)
            shared = self._folder / "shared"
            shared.mkdir(mode=0o700, exist_ok=True)
            endpoint, limits = "tcp://0.0.0.0:9", self.wire["limits"].Limits()
            yield m.Welcome(m.PROTOCOL, "0.0", "s1", limits, ("inline",), endpoint, str(shared)), []
        elif kind == "Ping":
            yield m.Pong(), []
        elif kind == "ShotOpen":
            if self.refuses_shots:
                raise errors.InputError("The plate is gone.")
            shot = f"shot {asked.description.plate}"
            self.shots[shot] = asked.description
            yield m.ShotOpened(shot), []
        elif getattr(asked, "shot", None) not in (None, *self.shots):
            raise errors.UnknownShotError(f"No shot {asked.shot!r} is open.", remedy="Open it.")
        elif kind == "ShotSolve":
            yield from self._solve(asked)
        elif kind == "JobFollow":
            if asked.job not in self.jobs:
                raise errors.UnknownJobError(f"No job {asked.job!r}.")
            yield m.JobAccepted(asked.job), []
            yield self._result(asked.job, 1), []
        elif kind in ("ShotKey", "ShotFrame"):
            self.keys[f"{asked.shot} {asked.frame}"] = bytes(envelope.parts[0]) if envelope.parts else b""
            yield m.Done(), []
        elif kind == "ShotResult":
            half = self.wire["pixels"].InlinePixels("float16", (2, 3)) if asked.how == "inline" else None
            yield m.FrameResult(asked.frame, "solved", half), [b"\x00\x38" * 6] if half else []
        elif kind == "JobCancel":
            raise errors.UnknownJobError(f"No job {asked.job!r} runs.", remedy="See: videomatte jobs")
        elif kind == "DaemonShutdown":
            yield m.Done(), []
        else:
            raise errors.UsageError(f"This daemon does not know {kind}.")

    def _solve(self, asked: Any) -> Any:
        m = self.wire["messages"]
        self.jobs["j1"] = asked.shot
        yield m.JobAccepted("j1"), []
        if asked.frames == "held":
            return
        count = int(asked.frames or 3)
        for frame in range(count):
            yield m.Progress("j1", "matte", 1001 + frame, frame + 1, count), []
        yield self._result("j1", count), []

    def _result(self, job: str, count: int) -> Any:
        m, values = self.wire["messages"], self.wire["values"]
        return m.JobResult(job, f"1001-{1000 + count}", "", "", 0.5, values.JobFiles(alpha="a.####.exr"))
