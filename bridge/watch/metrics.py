"""What Prometheus may know of a watcher, in its text format, answered on a port that only this machine reaches unless told otherwise.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from bridge.wire.errors import UsageError

from .tracked import State

if TYPE_CHECKING:
    from .watcher import Watcher

TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(watcher: Watcher) -> str:
    """Return the numbers of a watcher."""
    now = time.monotonic()
    shots = list(watcher.shots.values())
    lines = ["# TYPE videomatte_watch_shots gauge"]
    lines += [f'videomatte_watch_shots{{state="{s.value}"}} {sum(shot.state is s for shot in shots)}' for s in State]
    numbers = (
        ("files", "gauge", watcher.files),
        ("folders_lost", "gauge", len(watcher.lost)),
        ("looks_total", "counter", watcher.looks),
        ("look_seconds_total", "counter", round(watcher.seconds_looking, 6)),
        ("frames_per_second", "gauge", round(sum(shot.fps(now) for shot in shots), 3)),
    )
    for name, kind, value in numbers:
        lines += [f"# TYPE videomatte_watch_{name} {kind}", f"videomatte_watch_{name} {value}"]
    return "\n".join(lines) + "\n"


@contextmanager
def served(watcher: Watcher, where: str) -> Iterator[int]:
    """Answer while inside and give the port. where: `9108` or `0.0.0.0:9108`. Raises UsageError."""
    host, _, port = where.rpartition(":")
    remedy = "Give a free port from 1 to 65535: --metrics 9108"
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--metrics {where}: {port!r} is no port.", remedy=remedy)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text(watcher).encode() if self.path == "/metrics" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    try:
        server = ThreadingHTTPServer((host or "127.0.0.1", int(port)), Answer)
    except (ValueError, OSError) as error:
        raise UsageError(f"--metrics {where}: {getattr(error, 'strerror', None) or error}.", remedy=remedy) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
