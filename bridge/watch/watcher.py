"""The watcher: looks at a folder again and again, and has what is complete solved and delivered.

The rules:
- One thread looks and judges; `at_once` runners solve. They tell each other everything through queues.
- What a watcher knows lies beside the results (done.json) and in the ledger: it may be killed at any moment.
- Time is a clock that never jumps; how old a file claims to be is never believed.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.exr.landing import storage_error
from bridge.shot.hold import Hold
from bridge.wire.errors import ImageError, JobEndedError, StorageError, UsageError, VideoMatteError

from . import beside
from .complete import Quiet, covers, judged
from .decode import Decoder
from .found import Found, Pairing
from .ledger import Entry, Ledger, ledger_file
from .rules import DEFAULT, Rules
from .runner import CLAIM, Ended, Runner, Step
from .scan import MARK, Scanner
from .tracked import RESTING, State, Tracked

log = logging.getLogger(__name__)
ONCE_TRIES = 3
BUSY_PAUSE = 5.0
LOOK_AWAY = 0.5


@dataclass(frozen=True)
class Choices:
    """What a watcher was told. settle: seconds without a change; interval: seconds between two looks; at_once: shots solved at a time."""

    folder: Path
    out: Path
    settle: float = 10.0
    interval: float = 5.0
    once: bool = False
    rules: tuple[str, ...] = DEFAULT
    at_once: int = 2
    retry: bool = False


@dataclass(frozen=True)
class Change:
    """A shot that stands differently than before."""

    shot: Tracked
    state: State
    reason: str


class Watcher:
    """Watches one folder. `run` returns when everything is done (`once`), or when it is stopped."""

    def __init__(self, choices: Choices, *, runner: Callable[[Callable[[], bool]], Runner], say: Callable[[Change], None]) -> None:
        """runner: makes a runner that leaves when told so. say: hears how shots change. Raises UsageError, StorageError."""
        _check(choices)
        self.choices, self._say = choices, say
        self._rules = Rules(choices.rules, top=choices.folder.name or "shot")
        self._scanner, self._pairing = Scanner(choices.folder), Pairing(choices.folder, self._rules)
        self._decoder = Decoder(pause=choices.settle)
        self._ledger = Ledger(ledger_file(choices.folder, choices.out))
        self._remembered = self._ledger.entries()
        self.shots: dict[str, Tracked] = {}
        self._orders: queue.Queue[Tracked | None] = queue.Queue()
        self._told: queue.Queue[tuple[Tracked, Step | Ended]] = queue.Queue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(runner,), name=f"runner {i}", daemon=True) for i in range(choices.at_once)
        ]
        self.looks = 0
        self.seconds_looking = 0.0

    @property
    def files(self) -> int:
        """How many files were seen at the last look."""
        return self._scanner.files

    @property
    def lost(self) -> tuple[str, ...]:
        """The folders that could not be listed at the last look."""
        return self._scanner.lost

    def run(self, *, check: Callable[[], None]) -> int:
        """Watch until done or stopped and return the exit status: 3 when a shot has failed. check: raises when it is to stop."""
        _mark(self.choices.out)
        for thread in self._threads:
            thread.start()
        try:
            while True:
                self.look()
                if self.choices.once and self._settled():
                    return 3 if any(s.state is State.FAILED for s in self.shots.values()) else 0
                self._wait(check)
        finally:
            self._leave()

    def look(self) -> None:
        """Look at the folder once and have everything done that can be."""
        begun = time.process_time()
        changed = self._scanner.scan()
        shots = self._pairing.update(self._scanner.tree, changed)
        now = time.monotonic()
        for found in shots.values():
            self._judge(found, now)
        self.looks += 1
        self.seconds_looking += time.process_time() - begun

    def _judge(self, found: Found, now: float) -> None:
        shot = self.shots.get(found.name)
        if shot is None:
            shot = self.shots[found.name] = self._known(found, now)
        elif not self._seen(shot, found, now):
            return
        if shot.done is not None and found.problem is None and covers(shot.done, found):
            self._become(shot, State.DONE)
        elif shot.failed != found.fingerprint and not (shot.state is State.HELD and now < shot.retry_at):
            self._consider(shot, now)

    def _seen(self, shot: Tracked, found: Found, now: float) -> bool:
        """Note how a shot lies there now; tell whether it is to be judged."""
        different = shot.seen(found, now=now)
        if shot.busy:
            return False
        if different:
            shot.attempts, shot.retry_at = 0, 0.0
            if shot.state is State.DONE:
                shot.done = self._done_now(shot)
        return different or shot.state not in (State.DONE, State.FAILED)

    def _consider(self, shot: Tracked, now: float) -> None:
        """Judge a shot that is not delivered."""
        verdict = judged(shot.found, shot.quiet, now=now, settle=self.choices.settle)
        shot.soon = verdict.soon
        if verdict.failed is not None:
            self._fail(shot, verdict.failed)
        elif not verdict.ready:
            self._become(shot, State.WAITING, verdict.waiting)
        else:
            left, error = self._decoder.check(shot.found, now=now)
            if error is not None:
                self._fail(shot, _undecodable(error))
            elif left:
                self._become(shot, State.CHECKING, f"{left} files to be read")
            else:
                self._become(shot, State.QUEUED)
                self._orders.put(shot)

    def _known(self, found: Found, now: float) -> Tracked:
        """Return a shot that is seen for the first time, with what an earlier watcher left."""
        shot = Tracked(found.name, self._out(found.name), found, Quiet(now))
        shot.done = beside.read_done(shot.out)
        entry = self._remembered.get(found.name)
        if entry is not None:
            shot.job = entry.job
            if entry.state == State.FAILED.value and not self.choices.retry:
                shot.failed = entry.fingerprint
                if shot.failed == found.fingerprint:
                    shot.state, shot.reason = State.FAILED, entry.reason
                    self._say(Change(shot, shot.state, shot.reason))
        if shot.done is not None and not covers(shot.done, found):
            shot.done = self._done_now(shot)
        return shot

    def _done_now(self, shot: Tracked) -> dict[str, object] | None:
        """Return what done.json says; where it is of other files, withdraw it, unless somebody is at the shot."""
        found = beside.read_done(shot.out)
        if found is None or covers(found, shot.found):
            return found
        with suppress(StorageError), Hold(shot.out / CLAIM, doing="solved"):
            again = beside.read_done(shot.out)
            if again is None or covers(again, shot.found):
                return again
            beside.withdraw(shot.out)
        return None

    def _out(self, name: str) -> Path:
        return self.choices.out / name

    def _fail(self, shot: Tracked, error: VideoMatteError, *, lasting: bool = True) -> None:
        shot.error, shot.failed, shot.lasting = error, shot.found.fingerprint, lasting
        self._become(shot, State.FAILED, error.message)

    def _become(self, shot: Tracked, state: State, reason: str = "") -> None:
        """Note how a shot stands now, beside its result and in the ledger when that matters."""
        if (shot.state, shot.reason) == (state, reason) and shot.state is not State.WAITING:
            return
        news = shot.state is not state or (shot.reason != reason and not shot.soon) or not shot.reason
        before, shot.state, shot.reason = shot.state, state, reason
        if state is not State.FAILED and state is not State.HELD:
            shot.error = None
        if (before is not state or news) and not self._tried_again(shot):
            self._say(Change(shot, state, reason))
            self._keep(shot)

    def _tried_again(self, shot: Tracked) -> bool:
        """Note why a shot is held; tell whether it is only tried again, or held for the same reason again, which is no news."""
        trying = bool(shot.held) and shot.state in (State.CHECKING, State.QUEUED)
        same = shot.state is State.HELD and shot.reason == shot.held
        if not trying:
            shot.held = shot.reason if shot.state is State.HELD else ""
        return trying or same

    def _keep(self, shot: Tracked) -> None:
        fingerprint = "" if shot.state is State.FAILED and not shot.lasting else shot.found.fingerprint
        self._ledger.keep(shot.name, Entry(shot.state.value, fingerprint, shot.reason, shot.job if shot.busy else ""))
        with suppress(StorageError):
            beside.write_status(shot.out, status_of(shot))

    # What the runners do and tell

    def _work(self, make: Callable[[Callable[[], bool]], Runner]) -> None:
        runner = make(self._stopping.is_set)
        while (shot := self._orders.get()) is not None:
            found = shot.found
            ended = runner.solve(found, shot.out, tell=lambda step, shot=shot: self._told.put((shot, step)), job=shot.job)  # type: ignore[misc]
            if ended.how == "done" and ended.seconds:
                self._ledger.delivered(shot.name, found.fingerprint, solved=ended.solved, frames=ended.frames, seconds=ended.seconds)
            self._told.put((shot, ended))

    def _hear(self, wait: float) -> None:
        """Take in what runners tell, for so many seconds at most; several at once when they are there."""
        try:
            shot, told = self._told.get(timeout=wait)
        except queue.Empty:
            return
        now = time.monotonic()
        if isinstance(told, Step):
            fresh = told.job != shot.job or shot.state is not State.SOLVING
            shot.stepped(told, now=now)
            if fresh:
                shot.state, shot.held = State.SOLVING, ""
                self._say(Change(shot, State.SOLVING, ""))
                self._keep(shot)
        else:
            self._ended(shot, told, now)

    def _ended(self, shot: Tracked, ended: Ended, now: float) -> None:
        if self._stopping.is_set() and isinstance(ended.error, JobEndedError):
            return
        shot.job, shot.step = "", Step()
        if ended.how == "done":
            shot.attempts, shot.failed, shot.state = 0, "", State.SOLVING
            shot.done = self._done_now(shot)
            if shot.done is not None:
                self._become(shot, State.DONE)
            else:
                self._become(shot, State.WAITING, "files that came while it was solved")
        elif ended.how == "failed" and ended.error is not None:
            state = shot.after(ended.error, now=now)
            if state is State.HELD and not (self.choices.once and shot.attempts >= ONCE_TRIES):
                self._become(shot, State.HELD, ended.error.message)
            else:
                self._fail(shot, ended.error, lasting=state is State.FAILED)
        elif ended.how == "busy":
            shot.done, shot.retry_at, shot.error = beside.read_done(shot.out), now + min(BUSY_PAUSE, self.choices.interval), ended.error
            self._become(shot, State.HELD, ended.error.message if ended.error else "")
        else:
            self._become(shot, State.WAITING, "files that changed while it was solved")

    def _settled(self) -> bool:
        """Tell whether nothing more will come of what lies there."""
        now = time.monotonic()
        waits = [s for s in self.shots.values() if s.state is State.WAITING]
        still = all(not s.soon and now - s.quiet.since >= self.choices.settle for s in waits)
        return self.looks >= 2 and still and all(s.state in RESTING for s in self.shots.values())

    def _wait(self, check: Callable[[], None]) -> None:
        until = time.monotonic() + self.choices.interval
        while (left := until - time.monotonic()) > 0:
            check()
            self._hear(min(left, LOOK_AWAY))
            if self.choices.once and self.looks >= 2 and all(s.state in RESTING for s in self.shots.values()):
                return

    def _leave(self) -> None:
        """Have the runners end; what the daemon is at, it goes on with."""
        self._stopping.set()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join(5.0)
        self._ledger.close()


def status_of(shot: Tracked) -> dict[str, object]:
    """Return what status.json says of a shot."""
    error = shot.error
    return {
        "shot": shot.name,
        "state": shot.state.value,
        "reason": shot.reason,
        "remedy": error.remedy if error is not None else "",
        "code": error.code if error is not None else "",
        "file": error.file if error is not None else None,
        "frame": error.frame if error is not None else None,
        "frames": len(shot.found.frames),
        "keys": sorted(shot.found.keys),
        "job": shot.job if shot.busy else "",
    }


def states(shots: dict[str, Tracked]) -> Iterator[tuple[State, int]]:
    """Yield how many shots are in each state."""
    for state in State:
        yield state, sum(shot.state is state for shot in shots.values())


def _undecodable(error: VideoMatteError) -> VideoMatteError:
    remedy = "It was tried three times. Deliver the file again."
    return ImageError(error.message, remedy=remedy, file=error.file, frame=error.frame)


def _check(choices: Choices) -> None:
    if not choices.folder.is_dir():
        raise UsageError(f"{choices.folder} is no folder.", remedy="Name the folder that shots arrive in.", file=str(choices.folder))
    if os.path.realpath(choices.out) == os.path.realpath(choices.folder):
        raise UsageError("The results need a folder of their own.", remedy="Give another --out.", file=str(choices.out))


def _mark(out: Path) -> None:
    """Mark the folder of results, so that no watcher takes them for plates. Raises StorageError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).touch()
    except OSError as error:
        raise storage_error(out, error.strerror or str(error), number=error.errno) from error
