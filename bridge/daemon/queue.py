"""The job queue on disk: a daemon that is killed comes back with its jobs.

One SQLite file for each host name, because a state folder may be shared between machines. On a local disk the journal is a write-ahead
log; on a network mount, where that is unsafe, it is a rollback journal.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bridge.wire.description import Description
from bridge.wire.errors import StorageError

SCHEMA = 1
BUSY_SECONDS = 0.2  # the front's loop waits no longer for another process that reads the file
KEPT_ENDED = 200
NETWORK = ("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "lustre", "beegfs", "gpfs")
ENDED = ("done", "failed", "cancelled")
log = logging.getLogger(__name__)
TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, record TEXT NOT NULL
)"""


@dataclass(frozen=True)
class Record:
    """A job as it is kept: what was asked, and how far it is. `todo`, `kept` and `missing` are known once it is understood.

    `owner`: the public key of the client it came from; None for one of this machine.
    """

    id: str
    shot: str
    description: Description
    folder: str | None = None
    state: str = "queued"
    created: float = 0.0
    frames: str | None = None
    todo: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    understood: bool = False
    done: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] | None = None
    version: str | None = None
    error: Mapping[str, Any] | None = None
    owner: str | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Queue:
    """The jobs of a daemon, newest last. Not for previews: they do not outlive their daemon."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. One that cannot be read is set aside. Raises StorageError."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"{path}: the job queue cannot be opened: {error}", remedy="Check the folder, or set XDG_STATE_HOME.", file=str(path)
            ) from error

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self._set_aside()
            return self._connected()

    def _set_aside(self) -> None:
        """Give the file another name, and what belongs to it."""
        suffix = f".damaged-{time.time_ns()}"
        for name in ("", "-wal", "-shm", "-journal"):
            beside = self._path.with_name(self._path.name + name)
            if beside.exists():
                beside.replace(self._path.with_suffix(suffix + name))
        log.warning("%s was set aside as %s: it cannot be read", self._path, self._path.with_suffix(suffix).name)

    def _connected(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            self._prepare(base)
        except BaseException:
            base.close()
            raise
        return base

    def _prepare(self, base: sqlite3.Connection) -> None:
        if base.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
        base.execute(f"PRAGMA journal_mode={'DELETE' if on_network(self._path) else 'WAL'}")
        base.execute("PRAGMA synchronous=NORMAL")
        if base.execute("PRAGMA user_version").fetchone()[0] not in (0, SCHEMA):
            raise sqlite3.DatabaseError("written by another version")
        base.execute(TABLE)
        base.execute(f"PRAGMA user_version={SCHEMA}")

    def put(self, record: Record) -> None:
        """Keep a job as it now is. Raises StorageError."""
        text = json.dumps(asdict(record))
        try:
            self._base.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?)", (record.id, record.created, record.state, text))
            if record.ended:
                self._forget_old()
        except sqlite3.Error as error:
            raise StorageError(
                f"{self._path}: the job queue cannot be written: {error}", remedy="Free some space.", file=str(self._path)
            ) from error

    def records(self) -> Iterator[Record]:
        """Yield every job, the oldest first; one that cannot be read is left out."""
        for (text,) in self._base.execute("SELECT record FROM jobs ORDER BY created, rowid").fetchall():
            try:
                yield read(json.loads(text))
            except (ValueError, TypeError, KeyError):
                continue

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _forget_old(self) -> None:
        marks = ",".join("?" * len(ENDED))
        old = f"SELECT id FROM jobs WHERE state IN ({marks}) ORDER BY created DESC LIMIT -1 OFFSET {KEPT_ENDED}"
        self._base.execute(f"DELETE FROM jobs WHERE id IN ({old})", ENDED)


def read(value: dict[str, Any]) -> Record:
    """Return the record of a JSON object. Raises TypeError, KeyError for one that is none."""
    known = {f.name for f in fields(Record)}
    facts: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items() if name in known}
    described = {f.name for f in fields(Description)}
    facts["description"] = Description(**{name: v for name, v in value["description"].items() if name in described})
    return Record(**facts)


def on_network(path: Path) -> bool:
    """Tell whether a path lies on a network mount, as far as the system says."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    real = str(path.parent.resolve())
    best, kind = "", ""
    for line in lines:
        parts = line.split()
        if len(parts) >= 3:
            mount = parts[1].replace("\\040", " ")
            if (real == mount or real.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
                best, kind = mount, parts[2]
    return kind in NETWORK
