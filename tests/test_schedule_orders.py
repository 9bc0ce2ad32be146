"""The schedule under events in any order: a small simulated daemon, without processes, threads or sleeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.daemon.instructions import Do, End, Instruction, Move, Settle, Start, Stop
from bridge.daemon.schedule import Schedule, matches
from bridge.daemon.tasks import Kind, Part, Task

TURN = 4.0


@dataclass
class Job:
    """What a submitted job is: how many segments and frames, and what became of it."""

    name: str
    shot: str
    preview: bool
    segments: int
    frames: tuple[int, ...]
    understood: bool = False
    matted: Counter[int] = field(default_factory=Counter)
    outcomes: list[str] = field(default_factory=list)

    @property
    def left(self) -> tuple[int, ...]:
        return tuple(f for f in self.frames if not self.matted[f])


@dataclass
class Worker:
    """A simulated worker: tasks inside one another, which of them were told to end or to be dropped, steps each has left."""

    device: str
    stack: list[Task] = field(default_factory=list)
    told: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    steps: Counter[int] = field(default_factory=Counter)


class Orders(RuleBasedStateMachine):
    """Any order of submissions, steps, deaths, cancels and time."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = Schedule(device="auto", turn=TURN)
        self.jobs: dict[str, Job] = {}
        self.workers: dict[str, Worker] = {}
        self.starting: list[str] = []
        self.numbers: set[int] = set()
        self.hired = 0
        self.now = 0.0
        self.obey(self.plan.warmed())

    # What the daemon would do

    def obey(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Do(worker, task):
                    self.begin(worker, task)
                case End(worker, task):
                    assert task.kind is Kind.MATTE
                    self.workers[worker].told.add(task.number)
                case Stop(worker, task):
                    self.workers[worker].dropped.add(task.number)
                case Start(device):
                    self.starting.append(device)
                case Settle(job, outcome, _):
                    self.jobs[job].outcomes.append(outcome)
                case Move(job, device, _):
                    assert device == "cpu"
                    assert not self.jobs[job].outcomes

    def begin(self, name: str, task: Task) -> None:
        worker, job = self.workers[name], self.jobs[task.job]
        assert task.number not in self.numbers, "a number is never used twice"
        assert not job.outcomes, "nothing is begun for a job that is settled"
        assert len(worker.stack) < 3
        if worker.stack:
            assert worker.stack[-1].kind is Kind.PROPAGATE or task.kind is Kind.PREVIEW
        if task.kind is not Kind.PREVIEW:
            older = [j for j in self.jobs.values() if j.shot == job.shot and not j.preview and not j.outcomes]
            assert older[0] is job, "jobs of one shot are done one after the other"
        assert all(not job.matted[f] for f in task.frames), "a frame that landed is not matted again"
        self.numbers.add(task.number)
        worker.stack.append(task)
        worker.steps[task.number] = 2

    def step(self, name: str) -> None:
        """The innermost task of a worker goes one frame further."""
        worker = self.workers[name]
        task = worker.stack[-1]
        job = self.jobs[task.job]
        if task.number in worker.dropped:
            return self.finish(name)
        if task.kind is Kind.UNDERSTAND:
            job.understood = True
            parts = [Part(None, n, (n,)) for n in range(job.segments)] if job.left else []
            worker.stack.pop()
            self.obey(self.plan.understood(name, task.number, parts=parts, frames=job.left))
            return self.obey(self.plan.finished(name, task.number))
        if task.kind is Kind.MATTE:
            frame = next(f for f in task.frames if not job.matted[f])
            job.matted[frame] += 1
            self.plan.landed(task.number, job.name, frame)
            if task.number in worker.told or all(job.matted[f] for f in task.frames):
                self.finish(name)
            return None
        worker.steps[task.number] -= 1
        return self.finish(name) if worker.steps[task.number] <= 0 or task.kind is not Kind.PROPAGATE else None

    def finish(self, name: str) -> None:
        task = self.workers[name].stack.pop()
        self.obey(self.plan.finished(name, task.number))

    def ready(self, asked: str) -> None:
        self.starting.remove(asked)
        self.hired += 1
        device = {"auto": "cuda:0", "cuda": "cuda:0"}.get(asked, asked)
        name = f"w{self.hired}"
        self.workers[name] = Worker(device)
        self.obey(self.plan.ready(name, device=device, asked=asked))

    # What may happen

    @rule(shot=st.integers(0, 3), segments=st.integers(0, 3), frames=st.integers(0, 4), device=st.sampled_from(["auto", "cpu", "cuda"]))
    def submit(self, shot: int, segments: int, frames: int, device: str) -> None:
        name = f"j{len(self.jobs)}"
        self.jobs[name] = Job(name, f"s{shot}", False, segments, tuple(range(frames)))
        self.obey(self.plan.submitted(name, shot=f"s{shot}", device=device, publishes=shot % 2 == 0))

    @rule(shot=st.integers(0, 3))
    def preview(self, shot: int) -> None:
        name = f"p{len(self.jobs)}"
        self.jobs[name] = Job(name, f"s{shot}", True, 0, ())
        self.obey(self.plan.submitted(name, shot=f"s{shot}", preview=True, lane=f"l{shot % 2}"))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.obey(self.plan.cancelled(data.draw(st.sampled_from(sorted(self.jobs)))))

    @precondition(lambda self: any(w.stack for w in self.workers.values()))
    @rule(data=st.data(), times=st.integers(1, 4))
    def work(self, data: st.DataObject, times: int) -> None:
        name = data.draw(st.sampled_from(sorted(n for n, w in self.workers.items() if w.stack)))
        for _ in range(times):
            if self.workers[name].stack:
                self.step(name)

    @precondition(lambda self: any(w.stack for w in self.workers.values()))
    @rule(data=st.data(), memory=st.booleans())
    def fail(self, data: st.DataObject, memory: bool) -> None:
        name = data.draw(st.sampled_from(sorted(n for n, w in self.workers.items() if w.stack)))
        task = self.workers[name].stack.pop()
        self.obey(self.plan.failed(name, task.number, "reason", memory=memory))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.workers)))
        del self.workers[name]
        self.obey(self.plan.died(name, "reason"))

    @precondition(lambda self: self.starting)
    @rule(data=st.data())
    def get_ready(self, data: st.DataObject) -> None:
        self.ready(data.draw(st.sampled_from(self.starting)))

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), for_good=st.booleans())
    def not_get_ready(self, data: st.DataObject, for_good: bool) -> None:
        device = data.draw(st.sampled_from(self.starting))
        self.starting.remove(device)
        self.obey(self.plan.not_started(device, "reason", for_good=for_good))

    @precondition(lambda self: self.workers)
    @rule()
    def let_go(self) -> None:
        for name in self.plan.idle():
            assert not self.workers[name].stack
            self.plan.retired(name)
            del self.workers[name]

    @rule(seconds=st.sampled_from([0.5, TURN]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.obey(self.plan.passed(self.now))

    # What always holds

    @invariant()
    def nobody_is_told_twice(self) -> None:
        assert all(len(job.outcomes) <= 1 for job in self.jobs.values())
        assert set(self.plan.jobs) == {name for name, job in self.jobs.items() if not job.outcomes}

    @invariant()
    def no_frame_is_matted_twice(self) -> None:
        assert all(n == 1 for job in self.jobs.values() for n in job.matted.values())

    @invariant()
    def the_schedule_knows_what_workers_do(self) -> None:
        assert self.plan.busy() == {name: tuple(t.job for t in w.stack) for name, w in self.workers.items()}

    @invariant()
    def what_waits_has_a_worker_or_gets_one(self) -> None:
        coming = [*self.starting, *(w.device for w in self.workers.values())]
        for work in self.plan._eligible():
            assert any(matches(work.device, d) or matches(d, work.device) or d == "auto" for d in coming)

    def teardown(self) -> None:
        """Let everything go on undisturbed, and see every job settled and every frame of a done job there."""
        for _ in range(60 * (len(self.jobs) + 1)):
            for device in list(self.starting):
                self.ready(device)
            for name in sorted(self.workers):
                if self.workers[name].stack:
                    self.step(name)
            self.now += TURN / 2
            self.obey(self.plan.passed(self.now))
        for job in self.jobs.values():
            assert len(job.outcomes) == 1, f"{job} was never settled"
            if job.outcomes == ["done"] and not job.preview:
                assert not job.left


Orders.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
)
TestOrders = Orders.TestCase


@pytest.mark.parametrize("workers", [("w",), ("w", "v")])
def test_the_next_job_of_a_shot_begins_when_the_worker_has_let_go_of_the_one_that_was_cancelled(workers: tuple[str, ...]) -> None:
    """Both would claim the shot's folder."""
    plan = Schedule(device="cpu", turn=4.0)
    for worker in workers:
        plan.ready(worker, device="cpu")
    (first,) = (i.task for i in plan.submitted("a", shot="s") if isinstance(i, Do))
    (long,) = (i.task for i in plan.understood("w", first.number, parts=[Part(1001, None, (1002,))], frames=(1001,)) if isinstance(i, Do))
    assert plan.submitted("b", shot="s") == []
    assert plan.cancelled("a") == [Stop("w", long), Settle("a", "cancelled")]
    assert plan.passed(10.0) == []
    (began,) = (i.task for i in plan.finished("w", long.number) if isinstance(i, Do))
    assert (began.job, began.kind) == ("b", Kind.UNDERSTAND)
