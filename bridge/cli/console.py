"""What a command says: results to stdout, everything else to stderr; or all of it as one JSON object a line to stdout."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TextIO

from bridge.wire.errors import VideoMatteError


class Console:
    """Speaks to a person or, `as_json`, to a program. A reader that went away is no error.

    Why a command ends is the last thing a person reads: what another thread would still note after `fail` is not said.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._lock = threading.Lock()
        self._noting = threading.Lock()
        self._failed = False
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        """Tell a person a result, on stdout."""
        if not self.as_json:
            self._out(text)

    def event(self, name: str, **facts: object) -> None:
        """Tell a program what happened: an object whose `event` is `name`."""
        if self.as_json:
            self.data({"event": name, **facts})

    def data(self, value: object) -> None:
        """Write one JSON value on a line of stdout."""
        self._out(json.dumps(value, ensure_ascii=False, default=str))

    def note(self, text: str) -> None:
        """Tell a person something beside the result, on stderr."""
        with self._noting:
            if not self.as_json and not self._failed:
                _write(sys.stderr, text)

    def warn(self, text: str) -> None:
        """Warn, once for each sentence."""
        with self._lock:
            if text in self.warned:
                return
            self.warned.append(text)
        self.event("warning", message=text)
        self.note(f"videomatte: warning: {sentence(text)}")

    def fail(self, error: VideoMatteError) -> None:
        """Say why the command ends, and what to do about it."""
        self.event(
            "error",
            code=error.code,
            message=error.message,
            remedy=error.remedy,
            file=error.file,
            frame=error.frame,
            exit_status=error.exit_status,
        )
        said = "" if error.exit_status in (130, 143) else "error: "
        words = f"videomatte: {said}{sentence(error.message)}" + (f"\n  {error.remedy}" if error.remedy else "")
        with self._noting:
            self._failed = True
            if not self.as_json:
                _write(sys.stderr, words)

    def close(self) -> None:
        """Let go of what is still on its way, so that the end of the process has nothing to stumble over."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                _silence(stream)

    def _out(self, text: str) -> None:
        with self._lock:
            _write(sys.stdout, text)


def sentence(text: str) -> str:
    """Return a text that ends like a sentence."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _write(stream: TextIO, text: str) -> None:
    """Write a line whatever its characters; when the reader went away, the rest goes nowhere."""
    try:
        encoding = stream.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (BrokenPipeError, ValueError):
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Point a stream's descriptor at nothing, so that the end of the process does not stumble over it again."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        return
