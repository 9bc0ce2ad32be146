"""The worker processes: started, heard, told, and known to be gone the moment they are."""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

from bridge.wire.errors import VideoMatteError

from . import link

START_SECONDS = 300.0  # what a worker may take until it is ready
SILENT_SECONDS = 120.0  # a worker beats every second; one that is silent for so long hangs
QUIT_SECONDS = 10.0  # what a worker may take to end in peace
log = logging.getLogger(__name__)


@dataclass
class Hired:
    """A worker process. `device` is what it turned out to have; `failure`: why it cannot begin; `ending`: why it was ended by force."""

    name: str
    asked: str
    process: subprocess.Popen[bytes]
    letters: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)
    device: str = ""
    make: str = ""
    memory: int = 0
    resident: int = 0
    used: int = 0
    heard: float = field(default_factory=time.monotonic)
    idle_since: float = field(default_factory=time.monotonic)
    leaving: float | None = None
    failure: VideoMatteError | None = None
    ending: str = ""

    @property
    def ready(self) -> bool:
        return bool(self.device)


class Pool:
    """Worker processes by name. What they say is handed to `said`, their end to `gone`, both in whatever thread hears it."""

    def __init__(self, *, said: Callable[[str, link.Said], None], gone: Callable[[str, int], None], memory: int, shared: Path) -> None:
        """memory: bytes each worker may use, 0 for no limit; shared: the folder of shared memory."""
        self._said, self._gone = said, gone
        self._options = ["--memory", str(memory), "--shared", str(shared)]
        self._numbers = count(1)
        self.hired: dict[str, Hired] = {}

    def start(self, device: str) -> Hired:
        """Start a worker for a device. Raises OSError when no process can be made."""
        command = [sys.executable, "-m", "bridge.daemon.worker", "--device", device, *self._options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        hired = Hired(f"worker-{next(self._numbers)}", device, process)
        self.hired[hired.name] = hired
        assert process.stdin is not None
        assert process.stdout is not None
        _thread(f"{hired.name} hears", self._hear, hired, process.stdout)
        _thread(f"{hired.name} tells", self._tell, hired, process.stdin)
        log.info("%s started for %s as process %d", hired.name, device, process.pid)
        return hired

    def tell(self, worker: str, said: link.Said) -> None:
        """Say something to a worker; never waits."""
        if worker in self.hired:
            self.hired[worker].letters.put(link.line(said))

    def quit(self, worker: str) -> None:
        """Have a worker end in peace, and by force when it does not."""
        hired = self.hired.get(worker)
        if hired is not None and hired.leaving is None:
            hired.leaving = time.monotonic() + QUIT_SECONDS
            self.tell(worker, link.Quit())

    def kill(self, worker: str) -> None:
        """End a worker by force."""
        hired = self.hired.get(worker)
        if hired is not None:
            with suppress(OSError):
                hired.process.kill()

    def overdue(self) -> None:
        """Kill the workers that were told to end and have not, and those that hang."""
        now = time.monotonic()
        for hired in list(self.hired.values()):
            allowed = SILENT_SECONDS if hired.ready else START_SECONDS
            if hired.leaving is None and now - hired.heard > allowed:
                hired.ending = f"it said nothing for {allowed:g} s and was ended"
                self.kill(hired.name)
            elif hired.leaving is not None and now > hired.leaving:
                self.kill(hired.name)

    def forget(self, worker: str) -> Hired | None:
        """Take a worker that is gone off the list."""
        hired = self.hired.pop(worker, None)
        if hired is not None:
            hired.letters.put(None)
        return hired

    def close(self, *, now: bool) -> None:
        """End every worker and wait for it; one that still loads has nothing to finish."""
        deadline = time.monotonic() + QUIT_SECONDS
        for name, hired in list(self.hired.items()):
            (self.quit if hired.ready and not now else self.kill)(name)
        for hired in list(self.hired.values()):
            try:
                hired.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                hired.process.kill()
                hired.process.wait()
            hired.letters.put(None)

    def _hear(self, hired: Hired, stream: IO[bytes]) -> None:
        with stream:
            for text in stream:
                try:
                    self._said(hired.name, link.heard(text))
                except Exception as error:
                    log.warning("%s: %s", hired.name, error)
        self._gone(hired.name, hired.process.wait())

    @staticmethod
    def _tell(hired: Hired, stream: IO[bytes]) -> None:
        with suppress(OSError), stream:
            while (text := hired.letters.get()) is not None:
                stream.write(text)
                stream.flush()


def how_it_ended(status: int) -> str:
    """Say how a process ended, from its exit status."""
    if status >= 0:
        return f"it ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return f"it was killed by {name}" + (" (the system may have run out of memory)" if name == "SIGKILL" and os.name == "posix" else "")


def _thread(name: str, work: Callable[..., None], *given: object) -> None:
    threading.Thread(target=work, args=given, name=name, daemon=True).start()
