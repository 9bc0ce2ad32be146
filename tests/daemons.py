"""Real daemons for tests, each in folders of its own below a temporary one, and what is asked of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shots import Shot

from bridge.wire.client import Client
from bridge.wire.description import Description
from bridge.wire.messages import DaemonState, DaemonStatus, JobAccepted, JobResult, Progress

UP_SECONDS = 60.0
SETTINGS = {"device": "cpu"}


@dataclass
class Daemon:
    """A daemon's folders and, while it runs, its process."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    most_bytes: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead to this daemon."""
        places = {name: str(self.folder / name.split("_")[1].lower()) for name in VARIABLES}
        return {**os.environ, **places, "TMPDIR": str(self.folder / "tmp"), "PYTHONWARNINGS": "default"}

    @property
    def connection(self) -> Path:
        return self.folder / "runtime" / "videomatte" / "daemon.json"

    @property
    def queue(self) -> Path:
        return next((self.folder / "state").rglob("queue.sqlite"))

    @property
    def scratch(self) -> list[Path]:
        """The scratch folders of jobs."""
        return [path for path in (self.folder / "cache" / "videomatte" / "scratch").glob("*/*") if path.is_dir()]

    @property
    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.rglob("*.log"))

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> Daemon:
        """Start the process and return when clients can connect."""
        for name in ("tmp", "runtime"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = {**SETTINGS, "shared": str(self.folder / "shared"), **self.settings}
        command = [sys.executable, "-m", "bridge.daemon", "--json", "--quiet", "--settings", json.dumps(settings)]
        with (self.folder / "stderr.log").open("a") as said:
            kind: dict[str, Any] = {"text": True, "env": self.environment, "preexec_fn": self._limit, "start_new_session": True}
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, **kind)
        assert self.process.stdout is not None
        event = json.loads(self.process.stdout.readline() or "{}")
        assert event.get("event") == "serving", (event, self.log)
        return self

    def _limit(self) -> None:
        if self.most_bytes:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (self.most_bytes, self.most_bytes))

    def kill(self) -> None:
        """End the front by force."""
        if self.process is not None:
            self.process.kill()
            self._gone()

    def terminate(self) -> int:
        """Ask the daemon to stop and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._gone()

    def _gone(self) -> int:
        assert self.process is not None
        status = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def client(self, *, name: str = "test", patience: float = 20.0) -> Client:
        """Return a client of this daemon."""
        return Client(name=name, connection=self.connection, patience=patience)

    def state(self) -> DaemonState:
        with self.client() as client:
            return client.call(DaemonStatus())

    def workers(self) -> list[int]:
        """Return the worker processes that are ready."""
        return [device.pid for device in self.state().devices if device.pid and device.state != "starting"]


VARIABLES = ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


@contextmanager
def daemon_in(folder: Path, *, most_bytes: int = 0, **settings: Any) -> Iterator[Daemon]:
    """Run a daemon in a folder; it is gone when the context is left."""
    daemon = Daemon(folder, settings, most_bytes)
    try:
        yield daemon.start()
    finally:
        with suppress(OSError):
            daemon.kill()


def described(shot: Shot, out: Path, **more: Any) -> Description:
    """Return what a solve of a shot asks for."""
    return Description(plate=shot.plate, trimap=shot.keys, out=str(out / "alpha.####.exr"), **more)


def begun(client: Client, description: Description) -> tuple[str, Iterator[JobAccepted | Progress | JobResult]]:
    """Submit a shot and return the job's id and what is heard of it."""
    stream = client.solve(client.open(description))
    accepted = next(stream)
    assert isinstance(accepted, JobAccepted)
    return accepted.job, stream


def solved(client: Client, description: Description) -> JobResult:
    """Submit a shot and wait for its result."""
    *_, result = begun(client, description)[1]
    assert isinstance(result, JobResult)
    return result


def until(true: Callable[[], object], *, seconds: float = 60.0) -> Any:
    """Wait until something is true and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it never came true")


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of writing of every finished file in a folder."""
    found = (path for path in folder.glob("*.exr") if path.name.startswith("alpha."))
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}
