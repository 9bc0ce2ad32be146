"""Who does what next: events in, instructions out, without processes, threads or sleeps."""

from __future__ import annotations

import pytest

from bridge.daemon.instructions import Do, End, Instruction, Move, Settle, Start, Stop
from bridge.daemon.schedule import Schedule
from bridge.daemon.tasks import Kind, Part, Task

HEAD, TAIL = Part(None, 1001, (1000,)), Part(1001, None, (1002, 1003, 1004))
ONE = (TAIL,)
FRAMES = (1001, 1002, 1003, 1004)


def done(found: list[Instruction]) -> list[tuple[str, Task]]:
    """Return who is to do what."""
    return [(i.worker, i.task) for i in found if isinstance(i, Do)]


def only(found: list[Instruction], worker: str = "w") -> Task:
    """Return the one task that one worker is to do."""
    ((who, task),) = done(found)
    assert who == worker
    return task


def ends(found: list[Instruction]) -> list[tuple[str, str]]:
    return [(i.job, i.outcome) for i in found if isinstance(i, Settle)]


def with_workers(*workers: str, device: str = "cpu", **options: bool) -> Schedule:
    plan = Schedule(device=device, turn=4.0, **options)
    for worker in workers:
        plan.ready(worker, device="cpu")
    return plan


def matting(plan: Schedule, job: str, *, shot: str, worker: str = "w", frames: tuple[int, ...] = FRAMES) -> Task:
    """Bring a new job as far as its first matte task, on an idle worker."""
    task = only(plan.submitted(job, shot=shot), worker)
    assert task.kind is Kind.UNDERSTAND
    task = only(plan.understood(worker, task.number, parts=[], frames=frames), worker)
    assert task.kind is Kind.MATTE
    return task


def test_a_job_is_understood_propagated_matted_and_published() -> None:
    plan = with_workers("w")
    task = only(plan.submitted("a", shot="s", publishes=True))
    assert task.kind is Kind.UNDERSTAND
    task = only(plan.understood("w", task.number, parts=[HEAD, TAIL], frames=FRAMES))
    assert (task.kind, task.part) == (Kind.PROPAGATE, HEAD)
    task = only(plan.finished("w", task.number))
    assert (task.kind, task.part) == (Kind.PROPAGATE, TAIL)
    task = only(plan.finished("w", task.number))
    assert (task.kind, task.frames) == (Kind.MATTE, FRAMES)
    for frame in FRAMES:
        plan.landed(task.number, "a", frame)
    task = only(plan.finished("w", task.number))
    assert task.kind is Kind.PUBLISH
    assert ends(plan.finished("w", task.number)) == [("a", "done")]
    assert plan.jobs == ()
    assert plan.idle() == ["w"]


def test_a_job_with_nothing_to_do_is_done_at_once() -> None:
    plan = with_workers("w")
    task = only(plan.submitted("a", shot="s"))
    assert ends(plan.understood("w", task.number, parts=[], frames=())) == [("a", "done")]


def test_the_end_of_the_understanding_itself_changes_nothing() -> None:
    plan = with_workers("w")
    task = only(plan.submitted("a", shot="s"))
    plan.understood("w", task.number, parts=[], frames=FRAMES)
    assert plan.finished("w", task.number) == []


def test_a_preview_is_done_in_between_at_once() -> None:
    plan = with_workers("w")
    matting(plan, "a", shot="s")
    preview = only(plan.submitted("p", shot="s", preview=True, lane="l"))
    assert preview.kind is Kind.PREVIEW
    assert plan.busy() == {"w": ("a", "p")}
    assert ends(plan.finished("w", preview.number)) == [("p", "done")]
    assert plan.busy() == {"w": ("a",)}


def test_a_waiting_preview_is_replaced_by_a_newer_one_of_its_lane_alone() -> None:
    plan = with_workers("w")
    first = only(plan.submitted("p1", shot="s", preview=True, lane="one"))
    assert ends(plan.submitted("p2", shot="s", preview=True, lane="one")) == []
    assert ends(plan.submitted("q", shot="s", preview=True, lane="two")) == []
    assert ends(plan.submitted("p3", shot="s", preview=True, lane="one")) == [("p2", "replaced")]
    found = plan.finished("w", first.number)
    assert ends(found) == [("p1", "done")]
    assert only(found).job == "q"


def test_previews_do_not_lengthen_the_turn_of_what_they_interrupt() -> None:
    plan = with_workers("w")
    task = matting(plan, "a", shot="one")
    plan.submitted("b", shot="two")
    for second in (1.0, 2.0, 3.0):
        assert not any(isinstance(i, End) for i in plan.passed(second))
        preview = only(plan.submitted(f"p{second}", shot="one", preview=True, lane="l"))
        plan.finished("w", preview.number)
    assert plan.passed(4.0) == [End("w", task)]


def test_somebody_who_scrubs_without_end_does_not_keep_a_job_from_beginning() -> None:
    plan = with_workers("w")
    preview = only(plan.submitted("p0", shot="one", preview=True, lane="l"))
    plan.submitted("p1", shot="one", preview=True, lane="l")
    plan.submitted("a", shot="two")
    begun = done(plan.finished("w", preview.number))
    assert [task.job for _, task in begun] == ["a", "p1"]
    assert plan.busy() == {"w": ("a", "p1")}


def test_a_matte_task_ends_after_its_turn_only_when_another_shot_waits() -> None:
    plan = with_workers("w")
    first = matting(plan, "a", shot="one")
    assert plan.passed(100.0) == []
    assert plan.submitted("again", shot="one") == []
    assert plan.submitted("b", shot="two") == [End("w", first)]
    assert plan.passed(101.0) == []
    plan.landed(first.number, "a", 1001)
    other = only(plan.finished("w", first.number))
    assert (other.job, other.kind) == ("b", Kind.UNDERSTAND)


def test_what_is_left_of_an_ended_turn_is_done_later_and_nothing_twice() -> None:
    plan = with_workers("w")
    first = matting(plan, "a", shot="one")
    plan.passed(10.0)
    plan.submitted("b", shot="two")
    plan.landed(first.number, "a", 1001)
    other = only(plan.finished("w", first.number))
    rest = only(plan.understood("w", other.number, parts=[], frames=()))
    assert rest.frames == (1002, 1003, 1004)
    assert rest.number != first.number


def test_a_segment_is_not_interrupted_but_another_shots_step_is_done_in_between() -> None:
    plan = with_workers("w")
    task = only(plan.submitted("a", shot="one"))
    segment = only(plan.understood("w", task.number, parts=[TAIL], frames=FRAMES))
    plan.submitted("b", shot="two")
    assert plan.passed(3.9) == []
    step = only(plan.passed(4.0))
    assert (step.job, step.kind) == ("b", Kind.UNDERSTAND)
    assert plan.busy() == {"w": ("a", "b")}
    assert plan.understood("w", step.number, parts=[], frames=FRAMES) == []
    matte = only(plan.passed(8.0))
    assert (matte.job, matte.kind) == ("b", Kind.MATTE)
    assert plan.passed(12.0) == [End("w", matte)]
    plan.landed(matte.number, "b", 1001)
    assert plan.finished("w", matte.number) == []
    assert plan.busy() == {"w": ("a",)}
    assert segment.kind is Kind.PROPAGATE


def test_new_shots_that_keep_coming_do_not_keep_an_older_one_waiting() -> None:
    plan = with_workers("w")
    task = matting(plan, "old", shot="old")
    for n in range(5):
        plan.submitted(f"new{n}", shot=f"new{n}")
        plan.passed(10.0 * (n + 1))
        plan.landed(task.number, "old", FRAMES[0])
        step = only(plan.finished("w", task.number))
        assert step.job == f"new{n}"
        plan.submitted(f"newer{n}", shot=f"newer{n}")
        found = plan.understood("w", step.number, parts=[], frames=())
        task = only(found)
        assert task.job == "old", "the shot that was served longest ago is next, not the newest"
        plan.cancelled(f"newer{n}")


def test_jobs_of_one_shot_are_done_one_after_the_other_even_by_two_workers() -> None:
    plan = with_workers("w", "v")
    first = only(plan.submitted("a", shot="s"))
    assert plan.submitted("b", shot="s") == []
    found = plan.understood("w", first.number, parts=[], frames=())
    assert ends(found) == [("a", "done")]
    assert only(found).job == "b"


def test_two_workers_share_the_segments_and_the_frames_of_a_job() -> None:
    plan = with_workers("w", "v")
    task = only(plan.submitted("a", shot="s"))
    segments = done(plan.understood("w", task.number, parts=[HEAD, TAIL], frames=FRAMES))
    assert [(who, t.part) for who, t in segments] == [("w", HEAD), ("v", TAIL)]
    assert plan.finished("v", segments[1][1].number) == []
    mattes = done(plan.finished("w", segments[0][1].number))
    assert [(who, t.frames) for who, t in mattes] == [("w", FRAMES[:2]), ("v", FRAMES[2:])]


def test_a_worker_that_dies_is_replaced_and_its_tasks_are_done_again_without_the_frames_that_landed() -> None:
    plan = with_workers("w")
    task = matting(plan, "a", shot="s")
    plan.landed(task.number, "a", 1001)
    assert plan.died("w") == [Start("cpu")]
    again = only(plan.ready("x", device="cpu"), "x")
    assert again.frames == (1002, 1003, 1004)


def test_a_worker_that_dies_after_the_last_frame_landed_leaves_nothing_to_do() -> None:
    plan = with_workers("w")
    task = matting(plan, "a", shot="s")
    for frame in FRAMES:
        plan.landed(task.number, "a", frame)
    assert ends(plan.died("w")) == [("a", "done")]


def test_three_deaths_without_progress_fail_the_job_on_top_alone() -> None:
    plan = with_workers("w")
    task = only(plan.submitted("below", shot="one"))
    plan.understood("w", task.number, parts=[TAIL], frames=FRAMES)
    worker = "w"
    outcomes = []
    for n in range(3):
        if n == 0:
            plan.submitted("top", shot="two", preview=True)
        assert plan.busy()[worker][-1] == "top"
        outcomes += ends(plan.died(worker, "reason"))
        worker = f"w{n}"
        plan.ready(worker, device="cpu")
        if "top" in plan.jobs and "below" not in plan.busy()[worker]:
            assert plan.busy()[worker] == ("top",)
    assert outcomes == [("top", "died")]
    assert plan.jobs == ("below",)
    assert plan.busy()[worker] == ("below",)


def test_progress_between_deaths_is_forgiven() -> None:
    plan = with_workers("w0")
    task = matting(plan, "a", shot="s", worker="w0")
    for n, frame in enumerate(FRAMES[:3]):
        plan.landed(task.number, "a", frame)
        assert ends(plan.died(f"w{n}")) == []
        task = only(plan.ready(f"w{n + 1}", device="cpu"), f"w{n + 1}")
    assert task.frames == FRAMES[3:]


def test_segments_that_are_done_between_deaths_are_progress_too() -> None:
    plan = with_workers("w0")
    parts = [Part(None, n, (n - 1,)) for n in range(10, 15)]
    task = only(plan.submitted("a", shot="s"), "w0")
    task = only(plan.understood("w0", task.number, parts=parts, frames=FRAMES), "w0")
    for n in range(4):
        assert ends(plan.died(f"w{n}")) == []
        task = only(plan.ready(f"w{n + 1}", device="cpu"), f"w{n + 1}")
        task = only(plan.finished(f"w{n + 1}", task.number), f"w{n + 1}")


def test_when_one_of_two_devices_dies_it_is_started_again() -> None:
    plan = Schedule(device="cuda")
    plan.ready("a", device="cuda:0", asked="cuda")
    plan.ready("b", device="cuda:1")
    plan.submitted("job", shot="s")
    assert plan.died("b") == [Start("cuda:1")]


def test_a_job_without_memory_goes_on_on_the_cpu_and_says_so() -> None:
    plan = Schedule(device="cuda:0")
    plan.ready("g", device="cuda:0")
    task = only(plan.submitted("a", shot="s"), "g")
    assert plan.failed("g", task.number, "full", memory=True) == [Move("a", "cpu", "full"), Start("cpu")]
    assert only(plan.ready("c", device="cpu"), "c").kind is Kind.UNDERSTAND


@pytest.mark.parametrize(("asked", "allowed"), [("cuda:0", True), ("auto", False)])
def test_a_job_without_memory_fails_when_it_may_not_move(asked: str, allowed: bool) -> None:
    plan = Schedule(device="cuda:0", cpu_allowed=allowed)
    plan.ready("g", device="cuda:0")
    task = only(plan.submitted("a", shot="s", device=asked), "g")
    assert plan.failed("g", task.number, "full", memory=True) == [Settle("a", "failed", "full")]


def test_a_failure_ends_the_job_and_what_other_workers_do_for_it() -> None:
    plan = with_workers("w", "v")
    task = only(plan.submitted("a", shot="s"))
    (_, first), (_, second) = done(plan.understood("w", task.number, parts=[HEAD, TAIL], frames=FRAMES))
    assert plan.failed("w", first.number, "broken") == [Stop("v", second), Settle("a", "failed", "broken")]
    assert plan.finished("v", second.number) == []
    assert sorted(plan.idle()) == ["v", "w"]


def test_a_job_is_cancelled_while_it_waits() -> None:
    plan = with_workers("w")
    matting(plan, "a", shot="one")
    plan.submitted("b", shot="two")
    assert plan.cancelled("b") == [Settle("b", "cancelled")]
    assert plan.passed(100.0) == []


def test_a_job_is_cancelled_while_its_worker_starts() -> None:
    plan = Schedule(device="cpu")
    assert plan.submitted("a", shot="s") == [Start("cpu")]
    assert plan.cancelled("a") == [Settle("a", "cancelled")]
    assert plan.ready("w", device="cpu") == []
    assert plan.idle() == ["w"]


@pytest.mark.parametrize("steps", range(4))
def test_a_job_is_cancelled_at_any_step_and_its_worker_is_free_afterwards(steps: int) -> None:
    plan = with_workers("w")
    task = only(plan.submitted("a", shot="s", publishes=True))
    if steps > 0:
        task = only(plan.understood("w", task.number, parts=[TAIL], frames=FRAMES))
    if steps > 1:
        task = only(plan.finished("w", task.number))
    if steps > 2:
        for frame in FRAMES:
            plan.landed(task.number, "a", frame)
        task = only(plan.finished("w", task.number))
    assert plan.cancelled("a") == [Stop("w", task), Settle("a", "cancelled")]
    assert plan.idle() == []
    plan.finished("w", task.number)
    assert plan.idle() == ["w"]
    assert plan.jobs == ()


def test_an_unknown_job_is_cancelled_without_harm() -> None:
    assert with_workers("w").cancelled("nobody") == []


def test_the_automatic_device_is_known_when_the_first_worker_is_ready() -> None:
    plan = Schedule(device="auto")
    assert plan.warmed() == [Start("auto")]
    assert plan.submitted("a", shot="s") == []
    assert only(plan.ready("w", device="cpu", asked="auto")).job == "a"
    assert plan.submitted("b", shot="t", device="auto") == []


def test_no_second_worker_is_started_while_the_automatic_device_is_not_known() -> None:
    plan = Schedule(device="auto")
    plan.warmed()
    assert plan.submitted("a", shot="s", device="cpu") == []
    assert only(plan.ready("w", device="cpu", asked="auto")).job == "a"


def test_every_cuda_device_takes_what_is_for_any_of_them() -> None:
    plan = Schedule(device="auto")
    plan.warmed()
    plan.ready("w", device="cuda:0", asked="auto")
    plan.starting("cuda:1")
    plan.ready("v", device="cuda:1")
    only(plan.submitted("a", shot="one"), "w")
    only(plan.submitted("b", shot="two"), "v")


def test_a_worker_that_never_gets_ready_is_tried_three_times_then_its_jobs_fail_with_the_reason() -> None:
    plan = Schedule(device="cpu")
    plan.submitted("a", shot="one")
    plan.submitted("b", shot="two")
    assert plan.not_started("cpu", "why") == [Start("cpu")]
    assert plan.not_started("cpu", "why") == [Start("cpu")]
    assert plan.not_started("cpu", "why") == [Settle("a", "failed", "why"), Settle("b", "failed", "why")]
    assert plan.submitted("c", shot="three") == [Start("cpu")]


def test_a_device_that_is_not_there_is_tried_once() -> None:
    plan = Schedule(device="cpu")
    plan.submitted("a", shot="s", device="cuda:7")
    assert plan.not_started("cuda:7", "absent", for_good=True) == [Settle("a", "failed", "absent")]


def test_without_a_graphics_card_jobs_that_may_go_on_on_the_cpu_do() -> None:
    plan = Schedule(device="cuda")
    plan.submitted("a", shot="s")
    plan.submitted("b", shot="t", device="cuda")
    found = plan.not_started("cuda", "absent", for_good=True)
    assert found == [Move("a", "cpu", "absent"), Settle("b", "failed", "absent"), Start("cpu")]


def test_a_worker_that_was_let_go_is_given_nothing_more_and_started_anew_when_wanted() -> None:
    plan = with_workers("w")
    plan.retired("w")
    assert plan.died("w") == []
    assert plan.submitted("a", shot="s") == [Start("cpu")]


def test_when_the_daemon_ends_everything_is_dropped_and_nothing_begun() -> None:
    plan = with_workers("w")
    task = matting(plan, "a", shot="one")
    plan.submitted("b", shot="two")
    assert plan.closed() == [Stop("w", task)]
    plan.landed(task.number, "a", 1001)
    assert plan.finished("w", task.number) == []
    assert plan.busy() == {"w": ()}
    assert plan.jobs == ("a", "b")
