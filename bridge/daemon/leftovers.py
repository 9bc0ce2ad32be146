"""What jobs and dead workers leave on disk, taken away in threads of their own: the folders may be slow."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from bridge.exr import sweep_temporaries
from bridge.shot.work import let_go

from .queue import Record


def sweep_behind(record: Record) -> None:
    """Remove what a dead worker was writing for a job."""
    for folder in {Path(pattern).parent for pattern in (record.files or {}).values()}:
        _aside(sweep_temporaries, folder)


def clear_away(record: Record, *, scratch: Path) -> None:
    """Remove the scratch folder of a job that is settled and let go of its shot folder: nobody else may solve it while it is claimed."""
    remove(scratch)
    if record.folder is not None:
        _aside(let_go, Path(record.folder), record.id)


def remove(folder: Path) -> None:
    """Remove a folder, which may hold many files."""
    if folder.exists():
        _aside(lambda: shutil.rmtree(folder, ignore_errors=True))


def _aside(work: Callable[..., object], *given: object) -> None:
    threading.Thread(target=work, args=given, daemon=True).start()
