"""The ledger of a watcher: how every shot stood last, and every delivery there was. A small SQLite file on a local disk.

It may be lost or damaged at any time: then `done.json` beside the results tells what is delivered.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.wire.errors import StorageError
from bridge.wire.places import state_folder

log = logging.getLogger(__name__)
SCHEMA = """
CREATE TABLE IF NOT EXISTS shots (
  name TEXT PRIMARY KEY, state TEXT NOT NULL, fingerprint TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
  job TEXT NOT NULL DEFAULT '', at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
  name TEXT NOT NULL, fingerprint TEXT NOT NULL, solved INTEGER NOT NULL, frames INTEGER NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """How a shot stood: `fingerprint` is that of its files then, `job` the daemon's job while it is solved."""

    state: str
    fingerprint: str = ""
    reason: str = ""
    job: str = ""


def ledger_file(folder: Path, out: Path) -> Path:
    """Return where the ledger of a watched folder is."""
    named = f"{os.path.realpath(folder)}\n{os.path.realpath(out)}"
    return state_folder() / "watch" / f"{hashlib.sha256(os.fsencode(named)).hexdigest()[:16]}.sqlite"


class Ledger:
    """Keeps entries by the shot's name. Any thread may write."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, or begin it; a damaged one is set aside. Raises StorageError."""
        self._lock, self._path = threading.Lock(), path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = _opened(path)
            except sqlite3.DatabaseError:
                log.warning("The ledger %s is damaged; a new one is begun.", path)
                os.replace(path, path.with_suffix(".damaged"))
                self._database = _opened(path)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"The ledger {path} cannot be opened: {error}.", remedy="Check the disk.", file=str(path)) from error

    def entries(self) -> dict[str, Entry]:
        """Return every entry."""
        found: dict[str, Entry] = {}
        with self._writing() as database:
            rows = database.execute("SELECT name, state, fingerprint, reason, job FROM shots").fetchall()
            found = {name: Entry(*rest) for name, *rest in rows}
        return found

    def keep(self, name: str, entry: Entry) -> None:
        """Keep how a shot stands."""
        row = (_text(name), entry.state, entry.fingerprint, _text(entry.reason), entry.job, time.time())
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO shots VALUES (?, ?, ?, ?, ?, ?)", row)

    def delivered(self, name: str, fingerprint: str, *, solved: int, frames: int, seconds: float) -> None:
        """Keep that a shot was delivered."""
        with self._writing() as database:
            row = (_text(name), fingerprint, solved, frames, seconds, time.time())
            database.execute("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?)", row)

    def deliveries(self) -> list[tuple[str, str, int]]:
        """Return name, fingerprint and number of solved frames of every delivery, oldest first."""
        found: list[tuple[str, str, int]] = []
        with self._writing() as database:
            found = list(database.execute("SELECT name, fingerprint, solved FROM deliveries ORDER BY at"))
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Write what is done inside; a disk that is full costs what is remembered, never a shot."""
        with self._lock:
            try:
                with self._database:
                    yield self._database
            except sqlite3.Error as error:
                log.warning("The ledger %s cannot be written: %s", self._path, error)


def _text(text: str) -> str:
    """Return a text as SQLite takes it: the bytes of a file's name that are no UTF-8 are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.executescript(SCHEMA)
    except sqlite3.Error:
        with suppress(sqlite3.Error):
            database.close()
        raise
    path.chmod(0o600)
    return database
