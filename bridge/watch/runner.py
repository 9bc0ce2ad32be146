"""One shot from the watched folder through the daemon to its delivery, by one thread, under a claim that no second watcher shares.

The rules:
- Everything is decided anew under the claim, from the files as they are then: what another watcher delivered is not solved again.
- done.json is withdrawn before anything else happens and written last, and only if no file changed meanwhile.
- A job that an earlier watcher asked for is followed to its end first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from bridge.exr.landing import storage_error
from bridge.sequence import Sequence, format_range, parse_range
from bridge.shot.folder import Shot
from bridge.shot.hold import Hold
from bridge.version import VERSION
from bridge.wire import messages as wire
from bridge.wire.client import Client
from bridge.wire.errors import InputError, JobEndedError, StorageError, UnknownJobError, VideoMatteError
from bridge.wire.pixels import FilePixels

from . import beside
from .complete import covers
from .deliver import deliver
from .found import Found
from .scan import stamp_of

log = logging.getLogger(__name__)
CLAIM = "watch.claim"
PATIENCE = 30.0  # seconds in which a daemon that is started anew goes on with the job
SLOW = 600.0  # seconds that opening a shot may take
MATTE = "matte.####.exr"


@dataclass(frozen=True)
class Step:
    """How far the solve of a shot is; `job` once the daemon has accepted it."""

    job: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Ended:
    """How it ended: `done`, `changed` (files came meanwhile), `busy` (somebody else is at it) or `failed`."""

    how: str
    error: VideoMatteError | None = None
    solved: int = 0
    frames: int = 0
    seconds: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)


Tell = Callable[[Step], None]
Report = Callable[[Path, Path], None]


class Runner:
    """Solves shots one after the other. `stopped` tells when to leave; `report`: writes the report of a shot folder to a file."""

    def __init__(self, *, stopped: Callable[[], bool], report: Report | None = None, ready: Callable[[], None] | None = None) -> None:
        """ready: sees to it that a daemon is there, or raises VideoMatteError."""
        self._stopped, self._report, self._ready = stopped, report, ready

    def solve(self, found: Found, out: Path, *, tell: Tell, job: str = "") -> Ended:
        """Solve and deliver a shot. job: what an earlier watcher asked the daemon for. Raises nothing that a shot can cause."""
        begun = time.monotonic()
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return Ended("failed", storage_error(out, error.strerror or str(error), number=error.errno))
        claim = Hold(out / CLAIM, doing="solved")
        try:
            claim.take()
        except StorageError as error:
            return Ended("busy", error)
        try:
            return self._solve(found, out, tell=tell, job=job, begun=begun)
        except VideoMatteError as error:
            return Ended("failed", error) if _as_found(found) or not isinstance(error, InputError) else Ended("changed", error)
        except Exception as error:
            log.exception("%s failed", found.name)
            return Ended("failed", VideoMatteError(f"{found.name}: {error!r}"))
        finally:
            claim.release()

    def _solve(self, found: Found, out: Path, *, tell: Tell, job: str, begun: float) -> Ended:
        if not _as_found(found):
            return Ended("changed")
        done = beside.read_done(out)
        if done is not None and covers(done, found) and self._is_delivered(found, out):
            return Ended("done", frames=len(found.solved_frames), facts=done)
        beside.withdraw(out)
        folder = shot_folder(out)
        if self._ready is not None:
            self._ready()
        with Client(name="watch folder", patience=PATIENCE) as client:
            if job:
                self._follow(client, job, tell)
            result = self._through(client, found, folder, tell)
            state = client.call(wire.ShotStatus(self._opened(client, found, folder)), timeout=SLOW)
        files = self._deliver(found, out, result)
        notes = (*result.notes, *self._reported(folder, out))
        facts = _facts(found, out, result, state, files, notes=notes, seconds=time.monotonic() - begun)
        if not _as_found(found):
            return Ended("changed")
        beside.write_done(out, facts, inputs=dict(found.inputs))
        solved = len(parse_range(result.solved)) if result.solved else 0
        return Ended("done", solved=solved, frames=len(found.solved_frames), seconds=time.monotonic() - begun, facts=facts)

    def _through(self, client: Client, found: Found, folder: Path, tell: Tell) -> wire.JobResult:
        """Have the daemon solve the shot. Raises VideoMatteError."""
        shot = self._opened(client, found, folder)
        for frame, path in found.keys.items():
            if frame in found.frames:
                pixels = FilePixels(path, channel=found.settings.trimap_channel)
                client.call(wire.ShotKey(shot, frame, "set", pixels, found.settings.trimap_channel), timeout=SLOW)
        for frame in client.call(wire.ShotStatus(shot, frames=str(min(found.frames))), timeout=SLOW).keys:
            if frame not in found.keys:
                client.call(wire.ShotKey(shot, frame, "remove"), timeout=SLOW)
        return self._heard(client, wire.ShotSolve(shot), tell)

    @staticmethod
    def _opened(client: Client, found: Found, folder: Path) -> str:
        """Open the shot and return its name. A path is all that the wire takes for a foreground, and a shot folder has its own place."""
        said = found.described()
        if said.foreground:
            Shot.ready(folder, said)
            said = replace(said, foreground=None)
        return client.call(wire.ShotOpen(said, folder=str(folder)), timeout=SLOW).shot

    def _follow(self, client: Client, job: str, tell: Tell) -> None:
        """Wait for the end of a job that was asked for before; how it ended will be seen."""
        try:
            self._heard(client, wire.JobFollow(job), tell)
        except (UnknownJobError, InputError, JobEndedError) as error:
            log.info("job %s: %s", job, error.message)

    def _heard(self, client: Client, request: wire.ShotSolve | wire.JobFollow, tell: Tell) -> wire.JobResult:
        """Ask for a job and return its result, telling its steps. Raises the job's error, JobEndedError when this watcher stops."""
        client.send(cast("wire.Request[wire.JobResult]", request))
        job = ""
        while True:
            for envelope in client.poll(wait=0.2):
                message = envelope.message
                if isinstance(message, wire.Error):
                    raise message.exception()
                if isinstance(message, wire.JobAccepted):
                    job = message.job
                    tell(Step(job))
                elif isinstance(message, wire.Progress):
                    tell(Step(job, message.stage, message.done, message.total))
                elif isinstance(message, wire.JobResult):
                    return message
            if self._stopped():
                raise JobEndedError(f"The watcher stops; the daemon goes on with job {job}.")

    def _deliver(self, found: Found, out: Path, result: wire.JobResult) -> dict[str, str]:
        """Put the results under their names. Raises StorageError, ForeignFileError."""
        files = {}
        for what, source in (("matte", result.files.alpha), ("foreground", result.files.foreground), ("trimap", result.files.trimap)):
            if what in found.settings.outputs and source is not None:
                into = delivered(found, out, what)
                deliver(Sequence.parse(source), into=into, frames=found.solved_frames)
                files[what] = into.pattern
        return files

    @staticmethod
    def _is_delivered(found: Found, out: Path) -> bool:
        return all(not set(delivered(found, out, what).missing(found.solved_frames)) for what in found.settings.outputs)

    def _reported(self, folder: Path, out: Path) -> tuple[str, ...]:
        """Write the report; a shot is delivered without one too, and then a note says why there is none, or an old one."""
        if self._report is None:
            return ()
        try:
            self._report(folder, out / "report.html")
        except Exception as error:
            note = f"The report could not be made: {error.message if isinstance(error, VideoMatteError) else repr(error)}"
            log.warning("%s: %s", out, note)
            return (note,)
        return ()


def shot_folder(out: Path) -> Path:
    """Return the shot folder beside a result."""
    return out / f"{out.name}.vmatte"


def delivered(found: Found, out: Path, what: str) -> Sequence:
    """Return where results of a kind are delivered: numbered like the plate."""
    padding = found.plate.padding if found.plate is not None else 4
    return Sequence(out, f"{what}.", max(1, padding), ".exr")


def _as_found(found: Found) -> bool:
    """Tell whether every file of a shot is still what it was."""
    return all(stamp_of(Path(path)) == stamp for path, stamp in found.stamps.items())


def _facts(
    found: Found,
    out: Path,
    result: wire.JobResult,
    state: wire.ShotState,
    files: Mapping[str, str],
    *,
    notes: tuple[str, ...],
    seconds: float,
) -> dict[str, object]:
    """Return what done.json says."""
    return {
        "shot": found.name,
        "state": "done",
        "at": beside.now(),
        "plate": str(found.plate),
        "frames": format_range(found.solved_frames),
        "missing": format_range(found.lacking),
        "keys": sorted(found.keys),
        "files": dict(files),
        "folder": str(shot_folder(out)),
        "version": result.version,
        "solved": result.solved,
        "kept": result.kept,
        "seconds": round(seconds, 3),
        "notes": list(notes),
        "advice": list(state.advice),
        "least_sure": [frame for sure, frame in sorted((c, f) for f, c in state.confidence if c < 0.9)[:5]],
        "settings": found.settings.as_words(),
        "fingerprint": found.fingerprint,
        "videomatte": VERSION,
    }
