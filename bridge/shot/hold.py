"""Who holds a part of a shot folder: a file that one holder at a time makes, which tells host and process, and which the dead lose.

The rules:
- The file appears whole, with its holder's name, or not at all.
- A holder on this machine is dead when its process is; one elsewhere when the file has not been touched for a while, told by the file
  system's own clock.
- What is taken from the dead is moved aside first and looked at again, so that no living holder loses anything.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

from bridge.exr.landing import storage_error
from bridge.wire.errors import StorageError

BEAT_SECONDS = 15.0
ABANDONED_SECONDS = 120.0
LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Holder:
    """A process, and what it holds something for; `started` tells it from a later process with the same number."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def of(cls, *, pid: int | None = None, token: str | None = None) -> Holder:
        """Return a process of this machine, by default this one, as a holder. Holders with the same token are one."""
        pid = os.getpid() if pid is None else pid
        return cls(pid=pid, started=_started(pid), token=token or secrets.token_hex(8))

    @property
    def here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether the process, of this machine, still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            pass
        return not self.started or _started(self.pid) in ("", self.started)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Hold:
    """A file that is made by one holder at a time; a context that holds it."""

    def __init__(self, path: Path, *, doing: str, holder: Holder | None = None, patience: float = 0.0) -> None:
        """doing: what the holder does, for the message: `solved`. patience: seconds to wait for another holder to end."""
        self._path, self._doing, self._patience = path, doing, patience
        self.holder = holder or Holder.of()
        self._stop: threading.Event | None = None
        self.joined = False

    def take(self) -> None:
        """Take hold; `joined` tells whether others with the token had it. Raises StorageError naming who holds it, or why nobody can."""
        until, self.joined = time.monotonic() + self._patience, False
        while not self._made():
            found = self._found()
            abandoned = self._abandoned(found)
            if found is not None and found.token == self.holder.token and not abandoned:
                self.joined = True
                break
            if abandoned:
                self._bury(found)
            elif time.monotonic() >= until:
                raise self._busy(found)
            else:
                time.sleep(LOOK_EVERY)
        self._stop = threading.Event()
        threading.Thread(target=self._beat, args=(self._stop,), name="heartbeat", daemon=True).start()

    def leave(self) -> None:
        """Have nothing more to do with the file; it stays for the others with the token."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def release(self) -> None:
        """Let go; what somebody else took meanwhile stays theirs."""
        self.leave()
        found = self._found()
        if found is not None and found.token == self.holder.token:
            with suppress(OSError):
                self._path.unlink()

    def __enter__(self) -> Hold:
        self.take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _made(self) -> bool:
        """Make the file; tell whether it was not there before. Raises StorageError."""
        aside = self._aside()
        try:
            aside.write_text(json.dumps(asdict(self.holder)), encoding="utf-8")
            try:
                os.link(aside, self._path)
            except FileExistsError:
                return False
            except OSError:
                return self._made_without_links(aside.read_bytes())
            return True
        except OSError as error:
            raise storage_error(self._path, error.strerror or str(error), number=error.errno) from error
        finally:
            with suppress(OSError):
                aside.unlink()

    def _made_without_links(self, text: bytes) -> bool:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        try:
            os.write(handle, text)
        finally:
            os.close(handle)
        return True

    def _found(self) -> Holder | None:
        """Return who holds the file; None when nobody does or it cannot be told."""
        return _read(self._path)

    def _abandoned(self, found: Holder | None) -> bool:
        """Tell whether the file is there and its holder is dead."""
        if found is not None and found.here and os.name == "posix":
            return not found.lives
        aside = self._aside()
        try:
            aside.touch()
            return aside.stat().st_mtime - self._path.stat().st_mtime > ABANDONED_SECONDS
        except OSError:
            return False
        finally:
            with suppress(OSError):
                aside.unlink()

    def _bury(self, judged: Holder | None) -> None:
        """Take the file from its dead holder; when it is another's by now, give it back."""
        grave = self._aside()
        with suppress(OSError):
            os.rename(self._path, grave)
            if _read(grave) != judged:
                with suppress(FileExistsError):
                    os.link(grave, self._path)
            grave.unlink()

    def _aside(self) -> Path:
        return self._path.with_name(f".videomatte~{socket.gethostname()[:48]}~{os.getpid()}~{secrets.token_hex(6)}.tmp")

    def _busy(self, found: Holder | None) -> StorageError:
        who = str(found) if found is not None else "another process"
        return StorageError(
            f"{self._path.parent} is being {self._doing} by {who}.",
            remedy=f"Try again when it is done. If no such process runs any more, remove {self._path.name}.",
            file=str(self._path),
        )

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT_SECONDS):
            found = self._found()
            if found is not None and found.token == self.holder.token:
                with suppress(OSError):
                    os.utime(self._path)


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _started(pid: int) -> str:
    """Return when a process of this machine began, in the system's own words; the empty text where it does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
