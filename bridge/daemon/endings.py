"""How a job ends, as its followers hear it."""

from __future__ import annotations

from bridge.sequence import format_range
from bridge.wire import messages as wire
from bridge.wire.errors import CancelledError, ReplacedError, VideoMatteError, WorkerDiedError
from bridge.wire.values import JobFiles

from .queue import Record
from .schedule import DEATHS_ALLOWED
from .sessions import Peer


def tell_end(record: Record, peer: Peer, request: int) -> None:
    """Tell somebody how a job ended: its result with paths as the client sees them, or its error."""
    if record.error is not None:
        peer.fail(wire.Error(**record.error).exception(), request=request)
        return
    seen = peer.session.path_map.to_client if peer.session else str
    files = {("alpha" if what == "matte" else what): seen(pattern) for what, pattern in (record.files or {}).items()}
    solved, kept, missing = (format_range(frames) for frames in (record.todo, record.kept, record.missing))
    version = seen(record.version) if record.version else None
    result = wire.JobResult(record.id, solved, kept, missing, record.seconds, JobFiles(**files), record.notes, version)
    peer.say(result, request=request)


def error_of(job: str, outcome: str, failure: object) -> VideoMatteError | None:
    """Return the error that a job ends with; None for one that is done."""
    if outcome == "done":
        return None
    if outcome == "replaced":
        return ReplacedError(f"A newer preview took the place of {job}.")
    if outcome == "cancelled":
        return CancelledError(f"Job {job} was cancelled.", remedy="What is solved is kept; the same command goes on.")
    if outcome == "died":
        text = failure.message if isinstance(failure, VideoMatteError) else "Its worker died."
        return WorkerDiedError(
            f"Job {job} was given up: its worker died {DEATHS_ALLOWED} times. {text}",
            remedy="The daemon's log says more; --profile draft or --device cpu needs less memory.",
        )
    return failure if isinstance(failure, VideoMatteError) else VideoMatteError(f"Job {job} failed.")
