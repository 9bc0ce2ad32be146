"""Who does what next: events in, instructions out, nothing else.

The rules:
- A preview comes before everything, at the next frame boundary of whatever runs; but between two previews something else is begun.
- Shots take turns, however many jobs each has; the one that waited longest is next. A matte task ends when its turn is over and another
  shot waits; while a segment is propagated, another shot's step is done in between.
- Jobs of one shot are done one after the other.
- A worker that dies costs what it was doing. The job on top of it is blamed; at the third death without progress that job fails alone.
- A device that cannot be had or is full: the job goes on on the CPU when it may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from .instructions import Do, End, Instruction, Move, Settle, Start, Stop
from .tasks import Kind, Part, Task

TURN_SECONDS = 4.0
DEATHS_ALLOWED = 3
DEEPEST = 3  # a segment, another shot's step in between, a preview on top
CPU, AUTO, CUDA = "cpu", "auto", "cuda"


@dataclass
class Work:
    """A job in the schedule. `movable`: it did not say which device, so it may go on on another."""

    job: str
    shot: str
    device: str
    movable: bool
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
class Turn:
    """A task at a worker: of which shot, since when that has its turn, and whether it was told to end."""

    task: Task
    shot: str
    since: float
    ending: bool = False


@dataclass
class Hand:
    """A worker in the schedule: what it does, the innermost last; `previewed`: its last task was a preview and nothing else."""

    worker: str
    device: str
    stack: list[Turn] = field(default_factory=list)
    previewed: bool = False

    @property
    def top(self) -> Turn | None:
        return self.stack[-1] if self.stack else None


class Schedule:
    """The daemon's jobs and workers."""

    def __init__(self, *, device: str, cpu_allowed: bool = True, turn: float = TURN_SECONDS) -> None:
        """device: where jobs that do not say otherwise are done. cpu_allowed: whether such a job may go on on the CPU without memory."""
        self._device, self._cpu_allowed, self._turn = device, cpu_allowed, turn
        self._work: dict[str, Work] = {}
        self._hands: dict[str, Hand] = {}
        self._starting: list[str] = []
        self._failed_starts: dict[str, int] = {}
        self._numbers, self._orders = count(1), count(1)
        self._served: dict[str, int] = {}
        self._closing = False
        self.now = 0.0

    @property
    def jobs(self) -> tuple[str, ...]:
        return tuple(self._work)

    def busy(self) -> dict[str, tuple[str, ...]]:
        """Return the jobs each worker is at, the innermost last; one that is settled counts until the worker has let go of it."""
        return {hand.worker: tuple(turn.task.job for turn in hand.stack) for hand in self._hands.values()}

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
        work = Work(job, shot, where, device == AUTO, preview, lane, publishes, next(self._orders))
        self._work[job] = work
        self._add(work, Kind.PREVIEW if preview else Kind.UNDERSTAND)
        return [*settled, *self._assigned()]

    def cancelled(self, job: str) -> list[Instruction]:
        """Drop a job, whatever it is at."""
        work = self._work.get(job)
        if work is None:
            return []
        return [*self._stops(job), self._settled(work, "cancelled"), *self._assigned()]

    def closed(self) -> list[Instruction]:
        """The daemon ends: what runs is dropped after the frame in work, nothing more is begun."""
        self._closing = True
        return [Stop(hand.worker, turn.task) for hand in self._hands.values() for turn in hand.stack]

    # Events from workers

    def ready(self, worker: str, *, device: str, asked: str = "") -> list[Instruction]:
        """A worker can be given tasks. `asked`: the device it was started for, when it was not named in full."""
        self._forget_start(asked or device)
        self._failed_starts.pop(asked or device, None)
        if asked == self._device == AUTO:
            self._device = CUDA if matches(CUDA, device) else device
            for work in self._work.values():
                work.device = self._device if work.device == AUTO else work.device
        self._hands[worker] = Hand(worker, device)
        return self._assigned()

    def warmed(self) -> list[Instruction]:
        """Have a worker ready before the first job."""
        return [] if self._on_its_way(self._device) else [self._start(self._device)]

    def starting(self, device: str) -> None:
        """A worker of a device is on its way without having been asked for here."""
        self._starting.append(device)

    def understood(self, worker: str, number: int, *, parts: list[Part], frames: tuple[int, ...]) -> list[Instruction]:
        """It is known what of a job is to be done: what to propagate, then which frames to matte."""
        task, work = self._ended(worker, number)
        if task is None or work is None:
            return self._assigned()
        work.frames, work.deaths = frames, 0
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
        work.deaths = 0
        if task.kind is Kind.MATTE and task.frames:
            self._add(work, Kind.MATTE, frames=task.frames)
        return [*self._if_finished(work), *self._assigned()]

    def failed(self, worker: str, number: int, failure: object, *, memory: bool = False) -> list[Instruction]:
        """A task cannot be done. Without memory on a device that is not the CPU its job goes on there when it may."""
        task, work = self._ended(worker, number)
        if task is None or work is None:
            return self._assigned()
        if memory and self._may_move(work):
            self._again(work, task)
            return [self._moved(work, failure), *self._assigned()]
        return [*self._given_up(work, "failed", failure), *self._assigned()]

    def died(self, worker: str, failure: object = None) -> list[Instruction]:
        """A worker is gone. `failure` says how, for the job that is given up."""
        hand = self._hands.pop(worker, None)
        if hand is None:
            return self._assigned()
        found: list[Instruction] = []
        for depth, turn in enumerate(reversed(hand.stack)):
            work = self._work.get(turn.task.job)
            if work is None:
                continue
            self._again(work, work.running.pop(turn.task.number, turn.task))
            work.deaths += depth == 0
            found += self._given_up(work, "died", failure) if work.deaths >= DEATHS_ALLOWED else self._if_finished(work)
        if not self._closing and not self._on_its_way(hand.device) and any(matches(w.device, hand.device) for w in self._work.values()):
            found.append(self._start(hand.device))
        return [*found, *self._assigned()]

    def not_started(self, device: str, failure: object, *, for_good: bool = False) -> list[Instruction]:
        """A worker died before it was ready. At the third time in a row, or when it said why and that is `for_good`, jobs that wait for
        its device fail, unless they may go on on the CPU or another worker has it."""
        self._forget_start(device)
        self._failed_starts[device] = self._failed_starts.get(device, 0) + 1
        if self._failed_starts[device] < DEATHS_ALLOWED and not for_good:
            return self._assigned()
        del self._failed_starts[device]
        found: list[Instruction] = []
        for work in list(self._work.values()):
            if work.device != device or self._workers(device):
                continue
            found += [self._moved(work, failure)] if self._may_move(work) else self._given_up(work, "failed", failure)
        return [*found, *self._assigned()]

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

    def _again(self, work: Work, task: Task) -> None:
        """Put what is left of a task that was lost first in its job again; of a matte task whose frames all landed nothing is left."""
        if task.kind is not Kind.MATTE or task.frames:
            work.waiting.insert(0, replace(task, number=next(self._numbers)))

    def _matte(self, work: Work) -> None:
        """Cut the frames of a job into as many neighbouring runs as there are workers for it."""
        work.last = Kind.MATTE
        share = max(1, -(-len(work.frames) // max(1, len(self._workers(work.device)))))
        for first in range(0, len(work.frames), share):
            self._add(work, Kind.MATTE, frames=work.frames[first : first + share])

    def _start(self, device: str) -> Start:
        self._starting.append(device)
        return Start(device)

    def _forget_start(self, device: str) -> None:
        if device in self._starting:
            self._starting.remove(device)

    def _on_its_way(self, device: str) -> bool:
        """Tell whether a worker is starting that may turn out to be of a device."""
        return any(d == AUTO or matches(device, d) or matches(d, device) for d in self._starting)

    def _may_move(self, work: Work) -> bool:
        return self._cpu_allowed and work.movable and work.device != CPU

    def _moved(self, work: Work, failure: object) -> Move:
        work.device = CPU
        return Move(work.job, CPU, failure)

    def _ended(self, worker: str, number: int) -> tuple[Task | None, Work | None]:
        """Take a task off its worker; None when its job is no longer wanted."""
        hand = self._hands.get(worker)
        found = next((turn for turn in hand.stack if turn.task.number == number), None) if hand else None
        if hand is None or found is None:
            return None, None
        hand.stack.remove(found)
        if hand.top is not None and found.task.kind is not Kind.PREVIEW:
            hand.top.since = self.now
        work = self._work.get(found.task.job)
        if work is None or number not in work.running:
            return None, None
        self._serve(work)
        return work.running.pop(number), work

    def _serve(self, work: Work) -> None:
        """Note that a shot has its turn, or had it just now."""
        if not work.preview:
            self._served[work.shot] = next(self._orders)

    def _if_finished(self, work: Work) -> list[Instruction]:
        """Go on to a job's next step when nothing of this one is left."""
        if work.waiting or work.running:
            return []
        if work.last is Kind.PROPAGATE:
            self._matte(work)
        if not work.waiting and work.publishes and work.last is not Kind.PUBLISH:
            work.last = Kind.PUBLISH
            self._add(work, Kind.PUBLISH)
        return [] if work.waiting else [self._settled(work, "done")]

    def _given_up(self, work: Work, outcome: str, failure: object) -> list[Instruction]:
        return [*self._stops(work.job), self._settled(work, outcome, failure)]

    def _settled(self, work: Work, outcome: str, failure: object = None) -> Settle:
        self._work.pop(work.job, None)
        if not any(w.shot == work.shot for w in self._work.values()):
            self._served.pop(work.shot, None)
        return Settle(work.job, outcome, failure)

    def _stops(self, job: str) -> list[Instruction]:
        return [Stop(h.worker, t.task) for h in self._hands.values() for t in h.stack if t.task.job == job]

    def _workers(self, device: str) -> list[Hand]:
        return [hand for hand in self._hands.values() if matches(device, hand.device)]

    def _assigned(self) -> list[Instruction]:
        """Give every worker that may take one a task, end turns that are over, start workers that are missing."""
        found: list[Instruction] = []
        if self._closing:
            return found
        for hand in list(self._hands.values()):
            found += [*self._next(hand), *self._next(hand)]  # a task, and a preview on top of it
        for device in sorted({w.device for w in self._eligible()}):
            if not self._workers(device) and not self._on_its_way(device):
                found.append(self._start(device))
        return found

    def _next(self, hand: Hand) -> Iterator[Instruction]:
        task, top = self._choice(hand), hand.top
        if top is None:
            if task is not None:
                yield self._given(hand, task)
        elif task is not None and task.kind is Kind.PREVIEW:
            yield self._given(hand, task)
        elif self.now - top.since >= self._turn:
            if top.task.kind is Kind.MATTE and (task is not None or len(hand.stack) > 1):
                yield from self._ending(hand, top)
            elif task is not None and top.task.kind is Kind.PROPAGATE and len(hand.stack) == 1:
                yield self._given(hand, task)

    @staticmethod
    def _ending(hand: Hand, top: Turn) -> Iterator[Instruction]:
        if not top.ending:
            top.ending = True
            yield End(hand.worker, top.task)

    def _choice(self, hand: Hand) -> Task | None:
        """Return the task a worker should be at: previews first, then the shot that waited longest."""
        shots = {self._work[turn.task.job].shot for turn in hand.stack if turn.task.job in self._work}
        fit = [w for w in self._eligible() if matches(w.device, hand.device)]
        previews = [w for w in fit if w.preview]
        others = [w for w in fit if not w.preview and w.shot not in shots]
        after_one = hand.previewed and not hand.stack and bool(others)
        if previews and not after_one and len(hand.stack) < DEEPEST and not any(t.task.kind is Kind.PREVIEW for t in hand.stack):
            return min(previews, key=lambda w: w.order).waiting[0]
        return min(others, key=lambda w: self._served.get(w.shot, w.order)).waiting[0] if others else None

    def _eligible(self) -> list[Work]:
        """Return the jobs that have something to be done now.

        Of each shot, besides previews, only the oldest job counts, and none while a worker has not let go of one that is settled.
        """
        turns = [turn for hand in self._hands.values() for turn in hand.stack if turn.task.kind is not Kind.PREVIEW]
        held = {turn.shot for turn in turns if turn.task.job not in self._work}
        heads: dict[str, Work] = {}
        for work in self._work.values():
            heads.setdefault(f"preview {work.job}" if work.preview else f"shot {work.shot}", work)
        return [work for work in heads.values() if work.waiting and (work.preview or work.shot not in held)]

    def _given(self, hand: Hand, task: Task) -> Do:
        work = self._work[task.job]
        work.waiting.remove(task)
        work.running[task.number] = task
        hand.previewed = work.preview and not hand.stack
        hand.stack.append(Turn(task, work.shot, self.now))
        self._serve(work)
        return Do(hand.worker, task)


def matches(wanted: str, device: str) -> bool:
    """Tell whether a device is the wanted one; `cuda` is any of them."""
    return wanted == device or (wanted == CUDA and device.startswith("cuda:"))
