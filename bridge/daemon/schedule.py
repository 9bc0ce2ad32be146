"""Who does what next: events in, instructions out, nothing else.

The rules:
- A preview comes before everything, at the next frame boundary of whatever runs.
- Shots take turns, however many jobs each has. A matte task ends when its turn is over and another shot waits; while a segment is
  propagated, another shot's step is done in between.
- Jobs of one shot are done one after the other.
- A worker that dies costs what it was doing. The job on top of it is blamed; at the third death without progress that job fails alone.
- A device without memory: the job goes on on the CPU when it may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from .tasks import Kind, Part, Task

TURN_SECONDS = 4.0
DEATHS_ALLOWED = 3
DEEPEST = 3  # a segment, another shot's step in between, a preview on top
CPU, AUTO = "cpu", "auto"


@dataclass(frozen=True)
class Do:
    """Have a worker do a task, now or in between what it is doing."""

    worker: str
    task: Task


@dataclass(frozen=True)
class End:
    """Have a worker end a task after the frame in work: its turn is over."""

    worker: str
    task: Task


@dataclass(frozen=True)
class Stop:
    """Have a worker drop a task at the next frame boundary: its job was cancelled."""

    worker: str
    task: Task


@dataclass(frozen=True)
class Start:
    """Start a worker for a device."""

    device: str


@dataclass(frozen=True)
class Settle:
    """Tell everybody who follows a job how it ended: done, cancelled, replaced, died, or failed with the error of `failure`."""

    job: str
    outcome: str
    failure: object = None


Instruction = Do | End | Stop | Start | Settle


@dataclass
class Work:
    """A job in the schedule."""

    job: str
    shot: str
    device: str
    preview: bool
    lane: str
    publishes: bool
    order: int
    waiting: list[Task] = field(default_factory=list)
    running: dict[int, Task] = field(default_factory=dict)
    frames: tuple[int, ...] = ()
    last: Kind = Kind.UNDERSTAND
    deaths: int = 0


@dataclass
class Hand:
    """A worker in the schedule: what it does, the innermost last, and since when."""

    worker: str
    device: str
    stack: list[Task] = field(default_factory=list)
    since: float = 0.0
    ending: bool = False


class Schedule:
    """The daemon's jobs and workers."""

    def __init__(self, *, device: str, cpu_allowed: bool = True, turn: float = TURN_SECONDS) -> None:
        """device: where jobs that do not say otherwise are done. cpu_allowed: whether such a job may go on on the CPU without memory."""
        self._device, self._cpu_allowed, self._turn = device, cpu_allowed, turn
        self._work: dict[str, Work] = {}
        self._hands: dict[str, Hand] = {}
        self._starting: list[str] = []
        self._numbers, self._orders = count(1), count(1)
        self._served: dict[str, int] = {}
        self.now = 0.0

    @property
    def jobs(self) -> tuple[str, ...]:
        return tuple(self._work)

    def busy(self) -> dict[str, tuple[str, ...]]:
        """Return the jobs each worker is at, the innermost last."""
        return {hand.worker: tuple(task.job for task in hand.stack) for hand in self._hands.values()}

    def running(self, job: str) -> bool:
        """Tell whether a worker is at a job."""
        return job in self._work and bool(self._work[job].running)

    # Events from clients

    def submitted(
        self, job: str, *, shot: str, device: str = AUTO, preview: bool = False, lane: str = "", publishes: bool = False
    ) -> list[Instruction]:
        """Take in a job. Of the previews of a `lane` that nobody is at yet only the newest stays."""
        settled: list[Instruction] = []
        if preview:
            older = [w for w in self._work.values() if w.preview and w.lane == lane and not w.running]
            settled = [self._settled(w, "replaced") for w in older]
        where = self._device if device == AUTO else device
        work = Work(job, shot, where, preview, lane, publishes, next(self._orders))
        self._work[job] = work
        self._add(work, Kind.PREVIEW if preview else Kind.UNDERSTAND)
        return [*settled, *self._assigned()]

    def cancelled(self, job: str) -> list[Instruction]:
        """Drop a job, whatever it is at."""
        work = self._work.get(job)
        if work is None:
            return []
        stops = [Stop(hand.worker, task) for hand in self._hands.values() for task in hand.stack if task.job == job]
        return [*stops, self._settled(work, "cancelled"), *self._assigned()]

    # Events from workers

    def ready(self, worker: str, *, device: str, asked: str = "") -> list[Instruction]:
        """A worker can be given tasks. `asked`: the device it was started for, when that was `auto`."""
        self._forget_start(asked or device)
        if asked == self._device == AUTO:
            self._device = device
            for work in self._work.values():
                work.device = device if work.device == AUTO else work.device
        self._hands[worker] = Hand(worker, device, since=self.now)
        return self._assigned()

    def warmed(self) -> list[Instruction]:
        """Have a worker ready before the first job."""
        self._starting.append(self._device)
        return [Start(self._device)]

    def starting(self, device: str) -> None:
        """A worker of a device is on its way without having been asked for here."""
        self._starting.append(device)

    def understood(self, worker: str, number: int, *, parts: list[Part], frames: tuple[int, ...]) -> list[Instruction]:
        """It is known what of a job is to be done: what to propagate, then which frames to matte."""
        task, work = self._ended(worker, number)
        if task is None or work is None:
            return self._assigned()
        work.frames = frames
        if parts:
            work.last = Kind.PROPAGATE
            for part in parts:
                self._add(work, Kind.PROPAGATE, part=part)
        else:
            self._matte(work)
        return [*self._if_finished(work), *self._assigned()]

    def landed(self, number: int, job: str, frame: int) -> None:
        """A frame of a matte task carries its final name."""
        work = self._work.get(job)
        if work is not None and number in work.running:
            task = work.running[number]
            work.running[number] = replace(task, frames=tuple(f for f in task.frames if f != frame))
            work.deaths = 0

    def finished(self, worker: str, number: int) -> list[Instruction]:
        """A task is done, or ended early because its turn was over."""
        task, work = self._ended(worker, number)
        if task is None or work is None:
            return self._assigned()
        if task.kind is Kind.MATTE and task.frames:
            self._add(work, Kind.MATTE, frames=task.frames)
        return [*self._if_finished(work), *self._assigned()]

    def failed(self, worker: str, number: int, failure: object, *, memory: bool = False) -> list[Instruction]:
        """A task cannot be done. Without memory on a device that is not the CPU its job goes on there when it may."""
        task, work = self._ended(worker, number)
        if task is None or work is None:
            return self._assigned()
        if memory and self._cpu_allowed and work.device == self._device != CPU:
            work.device = CPU
            work.waiting.insert(0, task)
            return self._assigned()
        return [*self._stops(work), self._settled(work, "failed", failure), *self._assigned()]

    def died(self, worker: str, failure: object = None) -> list[Instruction]:
        """A worker is gone. `failure` says how, for the job that is given up."""
        hand = self._hands.pop(worker, None)
        if hand is None:
            return self._assigned()
        settled: list[Instruction] = []
        for depth, task in enumerate(reversed(hand.stack)):
            work = self._work.get(task.job)
            if work is None:
                continue
            work.waiting.insert(0, work.running.pop(task.number, task))
            work.deaths += depth == 0
            if work.deaths >= DEATHS_ALLOWED:
                settled += [*self._stops(work), self._settled(work, "died", failure)]
        return [*settled, *self._assigned()]

    def not_started(self, device: str, failure: object) -> list[Instruction]:
        """A worker died before it was ready: jobs that wait for its device fail, unless they may go to another."""
        self._forget_start(device)
        for work in list(self._work.values()):
            if work.device == device == self._device != CPU and self._cpu_allowed:
                work.device = CPU
        stuck = [w for w in self._work.values() if w.device == device and not self._workers(device)]
        return [*(self._settled(w, "failed", failure) for w in stuck), *self._assigned()]

    def retired(self, worker: str) -> None:
        """A worker was ended on purpose."""
        self._hands.pop(worker, None)

    def idle(self) -> list[str]:
        """Return the workers that have nothing to do."""
        return [hand.worker for hand in self._hands.values() if not hand.stack]

    def passed(self, now: float) -> list[Instruction]:
        """Time has passed: some turn may be over."""
        self.now = now
        return self._assigned()

    # What comes of it

    def _add(self, work: Work, kind: Kind, *, part: Part | None = None, frames: tuple[int, ...] = ()) -> None:
        work.waiting.append(Task(next(self._numbers), work.job, kind, part, frames))

    def _matte(self, work: Work) -> None:
        """Cut the frames of a job into as many neighbouring runs as there are workers for it."""
        work.last = Kind.MATTE
        share = -(-len(work.frames) // max(1, len(self._workers(work.device))))
        for first in range(0, len(work.frames), max(1, share)):
            self._add(work, Kind.MATTE, frames=work.frames[first : first + share])

    def _forget_start(self, device: str) -> None:
        if device in self._starting:
            self._starting.remove(device)

    def _ended(self, worker: str, number: int) -> tuple[Task | None, Work | None]:
        """Take a task off its worker; None when its job is no longer wanted."""
        hand = self._hands.get(worker)
        if hand is not None:
            hand.stack = [task for task in hand.stack if task.number != number]
            hand.since, hand.ending = self.now, False
        for work in self._work.values():
            if number in work.running:
                return work.running.pop(number), work
        return None, None

    def _if_finished(self, work: Work) -> Iterator[Instruction]:
        """Go on to a job's next step when nothing of this one is left."""
        if work.waiting or work.running:
            return
        if work.last is Kind.PROPAGATE:
            self._matte(work)
        if not work.waiting and work.publishes and work.last is not Kind.PUBLISH:
            work.last = Kind.PUBLISH
            self._add(work, Kind.PUBLISH)
        if not work.waiting:
            yield self._settled(work, "done")

    def _settled(self, work: Work, outcome: str, failure: object = None) -> Settle:
        self._work.pop(work.job, None)
        if not any(w.shot == work.shot for w in self._work.values()):
            self._served.pop(work.shot, None)
        return Settle(work.job, outcome, failure)

    def _stops(self, work: Work) -> list[Instruction]:
        return [Stop(h.worker, t) for h in self._hands.values() for t in h.stack if t.job == work.job]

    def _workers(self, device: str) -> list[Hand]:
        return [hand for hand in self._hands.values() if matches(device, hand.device)]

    def _assigned(self) -> list[Instruction]:
        """Give every worker that may take one a task, end turns that are over, start workers that are missing."""
        found: list[Instruction] = []
        for hand in list(self._hands.values()):
            found += self._next(hand)
        wanted = {w.device for w in self._work.values() if w.waiting and self._eligible(w)}
        for device in sorted(wanted):
            if not self._workers(device) and not any(matches(device, d) for d in self._starting):
                self._starting.append(device)
                found.append(Start(device))
        return found

    def _next(self, hand: Hand) -> Iterator[Instruction]:
        task = self._choice(hand)
        top = hand.stack[-1] if hand.stack else None
        if task is None or top is None:
            if task is not None:
                yield self._given(hand, task)
            elif top is not None and len(hand.stack) > 1 and top.kind is Kind.MATTE:
                yield from self._ending(hand, top)
        elif task.kind is Kind.PREVIEW:
            yield self._given(hand, task)
        elif top.kind is Kind.MATTE:
            yield from self._ending(hand, top)
        elif top.kind is Kind.PROPAGATE and len(hand.stack) == 1 and self._over(hand):
            yield self._given(hand, task)

    def _over(self, hand: Hand) -> bool:
        return self.now - hand.since >= self._turn

    def _ending(self, hand: Hand, top: Task) -> Iterator[Instruction]:
        if self._over(hand) and not hand.ending:
            hand.ending = True
            yield End(hand.worker, top)

    def _choice(self, hand: Hand) -> Task | None:
        """Return the task a worker should be at: previews first, then the shot that waited longest."""
        at = {task.job for task in hand.stack}
        shots = {self._work[job].shot for job in at if job in self._work}
        fit = [w for w in self._work.values() if w.waiting and matches(w.device, hand.device) and self._eligible(w)]
        previews = [w for w in fit if w.preview]
        if previews and len(hand.stack) < DEEPEST and not any(t.kind is Kind.PREVIEW for t in hand.stack):
            return min(previews, key=lambda w: w.order).waiting[0]
        others = [w for w in fit if not w.preview and (not hand.stack or w.shot not in shots)]
        return min(others, key=lambda w: (self._served.get(w.shot, 0), w.order)).waiting[0] if others else None

    def _eligible(self, work: Work) -> bool:
        """Tell whether no older job of the same shot is unfinished."""
        return work.preview or not any(w.shot == work.shot and w.order < work.order and not w.preview for w in self._work.values())

    def _given(self, hand: Hand, task: Task) -> Do:
        work = self._work[task.job]
        work.waiting.remove(task)
        work.running[task.number] = task
        hand.stack.append(task)
        hand.since, hand.ending = self.now, False
        self._served[work.shot] = next(self._orders)
        return Do(hand.worker, task)


def matches(wanted: str, device: str) -> bool:
    """Tell whether a device is the wanted one; `cuda` is any of them."""
    return wanted == device or (wanted == "cuda" and device.startswith("cuda:"))
