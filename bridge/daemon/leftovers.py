"""What jobs and dead workers leave on disk, taken away in threads of their own: the folders may be slow."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bridge.exr import sweep_temporaries
from bridge.shot.work import let_go

from .queue import Record

LET_GO_SECONDS = 2.0


def sweep_behind(record: Record) -> None:
    """Remove what a dead worker was writing for a job."""
    for folder in {Path(pattern).parent for pattern in (record.files or {}).values()}:
        _aside(sweep_temporaries, folder)


def clear_away(record: Record, *, scratch: Path) -> None:
    """Remove the scratch folder of a job that is settled and let go of its shot folder: nobody else may solve it while it is claimed."""
    remove(scratch)
    if record.folder is not None:
        _aside(let_go, Path(record.folder), record.id)


def let_all_go(records: Iterable[Record]) -> None:
    """Let go of the shot folders of jobs that nobody is at any more; one whose disk does not answer is left after a while."""
    until = time.monotonic() + LET_GO_SECONDS
    for thread in [_aside(let_go, Path(record.folder), record.id) for record in records if record.folder is not None]:
        thread.join(max(0.0, until - time.monotonic()))


def remove(folder: Path) -> None:
    """Remove a folder, which may hold many files."""
    if folder.exists():
        _aside(lambda: shutil.rmtree(folder, ignore_errors=True))


def _aside(work: Callable[..., object], *given: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=given, daemon=True)
    thread.start()
    return thread
