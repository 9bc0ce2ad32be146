"""Start the daemon from anywhere: a process of its own that outlives whoever started it.

The rules:
- When a daemon answers already, nothing is started.
- Two who start one at the same time get the same one: whose daemon finds the other's lock waits for the other's answer. The same
  lock is held by a daemon that is stopping; then it is tried again.
- What a daemon says before it can log goes to `launch.log` in the folder of logs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.wire import places
from bridge.wire.client import Client
from bridge.wire.errors import DaemonUnreachableError, LimitError, StorageError, VideoMatteError, error_class
from bridge.wire.messages import DaemonState, DaemonStatus

LOOK_EVERY = 0.1
PAUSE = 0.5  # seconds before another try, when a daemon is there that does not answer
LARGEST_LOG = 1 << 20


@dataclass(frozen=True)
class Launched:
    """A daemon that answers: its process, its version, and whether it was started just now."""

    pid: int
    version: str
    anew: bool
    log: Path


def launch(options: Sequence[str] = (), *, command: Sequence[str] | None = None, wait: float = 60.0) -> Launched:
    """Start `videomatte serve` with these options and return when it answers; return at once when one answers already.

    command: what runs videomatte, when this Python does not; wait: the seconds it may take.
    Raises the error that the daemon ended with, DaemonUnreachableError when it does not answer in time, StorageError without a log.
    """
    deadline = time.monotonic() + wait
    found = answering()
    if found is not None:
        return Launched(found.pid, found.version, False, log_file())
    log = _log()
    daemon = [*(command or (sys.executable, "-m", "bridge.cli")), "serve", "--quiet", "--json", *options]
    while time.monotonic() < deadline:
        begun = log.stat().st_size
        process = _started(daemon, log)
        found = _answer_of(process, deadline)
        if found is not None:
            anew = os.name == "nt" or found.pid == process.pid
            if not anew:
                process.terminate()
            return Launched(found.pid, found.version, anew, log)
        if process.poll() is None:
            break
        _check_another_is_there(log, begun)
        time.sleep(PAUSE)
        found = answering()
        if found is not None:
            return Launched(found.pid, found.version, False, log)
    message = f"The daemon did not answer within {wait:g} s."
    raise DaemonUnreachableError(message, remedy=f"The logs may say why: {log.parent}", file=str(log))


def answering() -> DaemonState | None:
    """Return the state of the daemon that answers; None when there is none, or one that is stopping."""
    try:
        with Client(name="videomatte launch", patience=2.0) as client:
            return client.call(DaemonStatus(), timeout=5.0)
    except (DaemonUnreachableError, LimitError):
        return None


def _answer_of(process: subprocess.Popen[bytes], deadline: float) -> DaemonState | None:
    """Return the state of the daemon once it answers; None when the process that should be it has ended, or time is over."""
    while process.poll() is None and time.monotonic() < deadline:
        found = answering()
        if found is not None:
            return found
        time.sleep(LOOK_EVERY)
    return None


def log_file() -> Path:
    """Return where a daemon writes what it says before it can log."""
    return places.log_folder() / "launch.log"


def _log() -> Path:
    """Return the log, begun anew when it has grown large. Raises StorageError."""
    path = log_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".old.log"))
        path.touch(mode=0o600)
    except OSError as error:
        raise StorageError(f"The log {path} cannot be written: {error.strerror}.", file=str(path)) from None
    return path


def _started(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that has nothing in common with this one's terminal. Raises DaemonUnreachableError when it cannot be started."""
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        with log.open("ab") as said:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=Path.home(), **apart)
    except OSError as error:
        raise DaemonUnreachableError(f"{command[0]} cannot be started: {error.strerror}.", remedy="Install videomatte again.") from None
    threading.Thread(target=process.wait, name="reap", daemon=True).start()
    return process


def _check_another_is_there(log: Path, begun: int) -> None:
    """Raise why the daemon ended, unless it found another that begins or ends. A daemon that still begins has said nothing yet."""
    with log.open("rb") as file:
        file.seek(begun)
        lines = file.read().decode("utf-8", "replace").splitlines()
    error = next((found for found in map(_error, reversed(lines)) if found is not None), None)
    if error is None:
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        raise DaemonUnreachableError(f"The daemon ended as it began: {last}", remedy=f"The log says more: {log}", file=str(log))
    if not (error.file and os.path.basename(error.file) == "daemon.lock"):
        raise error


def _error(line: str) -> VideoMatteError | None:
    """Return the error that a line of JSON tells of."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("event") != "error":
        return None
    return error_class(str(said.get("code")))(str(said.get("message")), remedy=str(said.get("remedy") or ""), file=said.get("file"))
