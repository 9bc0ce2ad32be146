"""What lies beside a result for people and scripts: `status.json` while there is something to say, `done.json` when all is delivered.

`done.json` is the truth about a delivery: it names every file that it was made from, from the watched folder on. It is written last
and withdrawn first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bridge.exr.landing import landing, storage_error

STATUS, DONE = "status.json", "done.json"


def read_done(folder: Path) -> dict[str, Any] | None:
    """Return what done.json says; None where there is none, or none that can be read."""
    return _read(folder / DONE)


def read_status(folder: Path) -> dict[str, Any] | None:
    """Return what status.json says; None where there is none, or none that can be read."""
    return _read(folder / STATUS)


def write_done(folder: Path, facts: Mapping[str, Any], *, inputs: Mapping[str, tuple[int, int]]) -> None:
    """Say that a shot is delivered. Raises StorageError."""
    head = json.dumps(dict(facts), indent=2, ensure_ascii=False)[:-2]
    files = ",\n".join(f"    {json.dumps(path)}: {list(stamp)}" for path, stamp in sorted(inputs.items()))
    _write(folder / DONE, f'{head},\n  "inputs": {{\n{files}\n  }}\n}}\n')


def write_status(folder: Path, facts: Mapping[str, Any]) -> None:
    """Say how a shot stands. Raises StorageError."""
    _write(folder / STATUS, json.dumps({**facts, "at": now()}, indent=2, ensure_ascii=False) + "\n")


def withdraw(folder: Path) -> bool:
    """Take done.json back; tell whether there was one. Raises StorageError."""
    try:
        (folder / DONE).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(folder / DONE, error.strerror or str(error), number=error.errno) from error
    return True


def now() -> str:
    """Return the time as people and programs read it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _read(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None
    return None


def _write(path: Path, text: str) -> None:
    with landing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
