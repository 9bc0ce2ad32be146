"""Jobs between clients, schedule, workers and disk, with workers and clients that are written here."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from daemon_stage import FRAMES, SHOT, Stage, staged
from daemons import until

from bridge.daemon import link, pool
from bridge.daemon.queue import KEPT_ENDED, Queue, Record
from bridge.daemon.shots import Opened
from bridge.daemon.tasks import Kind, Part
from bridge.shot.hold import Holder
from bridge.shot.work import CLAIM
from bridge.wire.description import Description
from bridge.wire.errors import DeviceError, InputError, StorageError, UnknownJobError
from bridge.wire.messages import Error, JobAccepted, JobResult, Progress


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield from staged(tmp_path, device="cpu")


@pytest.fixture
def with_card(tmp_path: Path) -> Iterator[Stage]:
    yield from staged(tmp_path, device="cuda:0")


def test_a_job_goes_its_way_and_leaves_nothing_in_memory(stage: Stage) -> None:
    stage.ready()
    job = stage.submit()
    stage.understood()
    stage.land(*FRAMES)
    stage.finish(notes=("a note",))
    result = stage.last()
    assert isinstance(result, JobResult)
    assert (result.job, result.solved, result.notes, result.files.alpha) == (job, "1001-1003", ("a note",), "/o.####.exr")
    assert [(m.done, m.total) for m in stage.peer.heard if isinstance(m, Progress)] == [(1, 3), (2, 3), (3, 3)]
    assert not stage.jobs._tasks
    assert not stage.jobs._jobs


def test_a_full_disk_under_the_queue_neither_stops_a_job_nor_forgets_it(stage: Stage) -> None:
    stage.ready()
    job = stage.submit()
    stage.queue.full = True
    stage.understood()
    stage.land(*FRAMES)
    stage.finish()
    assert isinstance(stage.last(), JobResult)
    assert [r.state for r in stage.queue.records()] == ["running"]
    stage.tick()
    stage.queue.full = False
    stage.tick(time.monotonic() + 10)
    assert [(r.id, r.state, r.todo) for r in stage.queue.records()] == [(job, "done", FRAMES)]
    assert not stage.jobs._unwritten


def test_a_job_that_cannot_be_kept_is_not_taken_in(stage: Stage) -> None:
    stage.ready()
    stage.queue.full = True
    with pytest.raises(StorageError):
        stage.submit()
    assert stage.jobs.states() == ()
    assert not stage.crew.tasks()


def test_after_a_death_progress_neither_exceeds_its_total_nor_counts_a_frame_twice(stage: Stage) -> None:
    stage.ready()
    stage.submit()
    stage.understood(parts=(Part(1001, 1003, FRAMES),))
    for _ in range(4):
        stage.jobs.said("w1", link.Advanced(stage.crew.tasks()[-1].number, "propagate", 1001))
    stage.jobs.gone("w1", -9)
    stage.ready("w1")
    for _ in range(6):
        stage.jobs.said("w1", link.Advanced(stage.crew.tasks()[-1].number, "propagate", 1001))
    stage.finish()
    told = [(m.done, m.total) for m in stage.peer.heard if isinstance(m, Progress)]
    assert told == [(n, 6) for n in (1, 2, 3, 4, 1, 2, 3, 4, 5, 6)]


def test_what_a_dead_worker_was_writing_is_swept(stage: Stage, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    from bridge.exr import landing

    begun = tmp_path / "out" / f".videomatte~{landing._host()}~{dead.pid}~0123456789ab.tmp"
    begun.parent.mkdir()
    begun.touch()
    stage.ready()
    stage.submit()
    number = stage.crew.tasks()[-1].number
    stage.jobs.said("w1", link.Understood(number, (), FRAMES, (), (), {"matte": str(tmp_path / "out" / "alpha.####.exr")}))
    stage.jobs.gone("w1", -9)
    until(lambda: not begun.exists(), seconds=5)


def test_a_job_taken_up_again_counts_what_landed_before(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put(Record("old", "s", SHOT.description, state="running", todo=FRAMES, understood=True, created=1.0))
    queue.close()
    stages = staged(tmp_path, device="cpu")
    stage = next(stages)
    stage.jobs.follow("old", peer=stage.peer, request=2)
    stage.ready()
    stage.understood(frames=FRAMES[1:])
    stage.land(1002)
    assert (stage.last().done, stage.last().total) == (2, 3)
    assert list(stages) == []


def test_scratch_is_removed_when_no_worker_is_at_the_job_any_more(stage: Stage) -> None:
    stage.ready()
    job = stage.submit()
    (stage.scratch / job).mkdir(parents=True)
    stage.understood()
    stage.jobs.cancel(job)
    assert isinstance(stage.last(), Error)
    stage.tick()
    assert (stage.scratch / job).exists(), "the worker may write there until it lets go"
    stage.finish()
    stage.tick()
    until(lambda: not (stage.scratch / job).exists(), seconds=5)


def test_scratch_of_jobs_that_nobody_knows_is_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "forgotten").mkdir(parents=True)
    (tmp_path / "scratch" / "old").mkdir()
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put(Record("old", "s", SHOT.description, created=1.0))
    queue.close()
    assert len(list(staged(tmp_path, device="cpu"))) == 1
    until(lambda: not (tmp_path / "scratch" / "forgotten").exists(), seconds=5)
    assert (tmp_path / "scratch" / "old").exists()


def test_a_task_that_ends_after_its_job_was_settled_frees_its_worker(stage: Stage) -> None:
    stage.ready()
    job = stage.submit()
    stage.jobs.cancel(job)
    stage.understood()
    assert not stage.jobs._tasks
    other = stage.submit()
    assert stage.crew.tasks()[-1].job == other


def test_a_worker_that_dies_with_a_cancelled_job_leaves_no_trace(stage: Stage) -> None:
    stage.ready()
    job = stage.submit()
    stage.jobs.cancel(job)
    stage.jobs.gone("w1", -9)
    assert not stage.jobs._tasks
    assert not stage.crew.hired


def test_the_jobs_that_ended_are_remembered_as_far_as_the_queue_keeps_them(stage: Stage) -> None:
    stage.ready()
    for _ in range(KEPT_ENDED + 5):
        stage.submit()
        stage.understood(frames=())
    assert len(stage.jobs.states(ended=True)) == KEPT_ENDED
    assert len(list(stage.queue.records())) == KEPT_ENDED


def test_a_job_that_goes_on_on_the_cpu_says_so_in_its_result(with_card: Stage) -> None:
    stage = with_card
    stage.ready(device="cuda:0")
    stage.submit()
    failed = asdict(Error("resource.memory", "The card is full."))
    stage.jobs.said("w1", link.Failed(stage.crew.tasks()[-1].number, failed, memory=True))
    stage.ready("w2")
    stage.understood(frames=(), worker="w2")
    assert stage.last().notes == ("Solved on cpu from there on: The card is full.",)


def test_a_worker_that_says_why_it_cannot_begin_is_believed_at_once(stage: Stage) -> None:
    stage.ready()
    stage.submit(device="cuda:7")
    failed = asdict(Error(DeviceError.code, "There is no cuda:7."))
    stage.jobs.said("w2", link.Failed(0, failed))
    stage.jobs.gone("w2", 1)
    assert stage.last() == Error(DeviceError.code, "There is no cuda:7.")
    assert len(stage.crew.hired) == 1


def test_jobs_fail_when_no_process_can_be_started(stage: Stage) -> None:
    stage.crew.refuses = True
    stage.jobs.gone("w1", -9)
    stage.submit()
    assert stage.last().code == "resource.worker"
    assert stage.jobs.states() == ()


def test_a_worker_that_hangs_is_ended_and_its_job_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.ready()
    stage.submit()
    hired = stage.crew.hired["w1"]
    stage.tick()
    assert hired.process.killed == 0  # type: ignore[attr-defined]
    hired.heard -= pool.SILENT_SECONDS + 1
    stage.tick()
    assert hired.process.killed == 1  # type: ignore[attr-defined]
    stage.jobs.gone("w1", -9)
    assert [h.asked for h in stage.crew.hired.values()] == ["cpu"]
    for _ in range(2):
        stage.ready()
        stage.crew.hired["w1"].ending = hired.ending
        stage.jobs.gone("w1", -9)
    assert "said nothing for 120 s" in stage.last().message


def test_a_worker_that_never_gets_ready_is_ended(stage: Stage) -> None:
    hired = stage.crew.hired["w1"]
    hired.heard -= pool.SILENT_SECONDS + 1
    stage.tick()
    assert hired.process.killed == 0  # type: ignore[attr-defined]
    hired.heard -= pool.START_SECONDS
    stage.tick()
    assert hired.process.killed == 1  # type: ignore[attr-defined]


def test_an_idle_worker_gives_its_device_back_and_its_end_is_no_death(stage: Stage) -> None:
    stage.ready()
    stage.tick(time.monotonic() + 100, idle_after=50)
    assert stage.crew.hired["w1"].leaving is not None
    assert stage.jobs.release() == ((), ())
    stage.submit()
    assert len(stage.crew.hired) == 2, "a job that comes meanwhile gets a worker of its own"
    stage.jobs.gone("w1", 0)
    assert [job.state for job in stage.jobs.states()] == ["queued"]


def test_when_told_to_stop_what_runs_is_dropped_once_and_nothing_is_begun(stage: Stage) -> None:
    stage.ready()
    stage.submit()
    stage.understood()
    second = stage.submit()
    assert not stage.jobs.stop()
    assert not stage.jobs.stop()
    assert [said for _, said in stage.crew.told if isinstance(said, link.Drop)] == [link.Drop(stage.crew.tasks()[-1].number)]
    stage.land(1001)
    stage.finish()
    assert stage.jobs.stop()
    assert {r.state for r in stage.queue.records()} == {"running", "queued"}
    assert second in {r.id for r in stage.queue.records()}


def test_a_worker_that_dies_while_the_daemon_stops_does_not_hold_it_up(stage: Stage) -> None:
    stage.ready()
    stage.submit()
    assert not stage.jobs.stop()
    stage.jobs.gone("w1", -9)
    assert stage.jobs.stop()
    assert not stage.crew.hired


def test_a_job_that_ends_while_the_daemon_stops_is_told_and_kept(stage: Stage) -> None:
    stage.ready()
    stage.submit()
    stage.understood()
    stage.jobs.stop()
    stage.land(*FRAMES)
    stage.finish()
    assert isinstance(stage.last(), JobResult)
    assert [r.state for r in stage.queue.records()] == ["done"]


Answered = Callable[[Mapping[str, Any], Any, int], None]


def previewed(stage: Stage, answer: Answered) -> None:
    stage.ready()
    stage.jobs.preview(SHOT, order={"frame": 1001}, answer=answer, peer=stage.peer, request=3)
    assert stage.crew.tasks()[-1].kind is Kind.PREVIEW


def test_a_preview_is_answered_with_what_the_worker_found(stage: Stage) -> None:
    found: list[Mapping[str, Any]] = []
    previewed(stage, lambda result, peer, request: found.append(result))
    stage.finish(result={"frame": 1001})
    assert found == [{"frame": 1001}]
    assert [type(m) for m in stage.peer.heard] == [JobAccepted]


def test_a_preview_whose_answer_fails_ends_with_the_error_and_frees_the_worker(stage: Stage) -> None:
    def broken(*_: object) -> None:
        raise InputError("not there")

    previewed(stage, broken)
    stage.finish(result={"frame": 1001})
    assert stage.last() == Error("input", "not there")
    assert not stage.jobs.states()
    stage.submit()
    assert stage.crew.tasks()[-1].kind is Kind.UNDERSTAND


def test_a_preview_that_comes_to_nothing_ends_all_the_same(stage: Stage) -> None:
    previewed(stage, lambda *_: None)
    stage.finish()
    assert stage.last().code == "internal"


def test_a_client_with_a_key_sees_and_cancels_its_own_jobs_alone(stage: Stage) -> None:
    stage.ready()
    of_this_machine = stage.submit()
    stage.peer.owner = "one"
    own = stage.submit()
    assert [job.job for job in stage.jobs.states(owner="one")] == [own]
    assert [job.job for job in stage.jobs.states()] == [of_this_machine, own]
    for owner in ("two", ""):
        with pytest.raises(UnknownJobError):
            stage.jobs.cancel(own, owner=owner)
    with pytest.raises(UnknownJobError):
        stage.jobs.follow(of_this_machine, peer=stage.peer, request=3)
    stage.jobs.cancel(own, owner="one")
    assert [job.job for job in stage.jobs.states()] == [of_this_machine]
    assert [record.owner for record in stage.queue.records()] == [None, "one"]


def test_previews_are_not_kept_on_disk(stage: Stage) -> None:
    previewed(stage, lambda *_: None)
    stage.finish(result={"frame": 1001})
    assert list(stage.queue.records()) == []


@pytest.mark.parametrize("end", ["cancelled while it waits", "given up with its workers"])
def test_a_job_that_ends_without_its_worker_lets_go_of_its_shot_folder(stage: Stage, tmp_path: Path, end: str) -> None:
    shot = Opened("s", Description(plate="/p.####.exr"), folder=str(tmp_path))
    stage.jobs.solve(shot, None, peer=stage.peer, request=2)
    (name,) = (job.job for job in stage.jobs.states())
    (tmp_path / CLAIM).write_text(json.dumps(asdict(Holder.of(token=name))))
    stage.tick()
    assert (tmp_path / CLAIM).exists()
    if end == "cancelled while it waits":
        stage.jobs.cancel(name)
    else:
        for _ in range(3):
            stage.ready("w1")
            stage.jobs.gone("w1", -9)
    assert [job.state for job in stage.jobs.states(ended=True)] == ["cancelled" if end.startswith("cancelled") else "failed"]
    stage.tick()
    until(lambda: not (tmp_path / CLAIM).exists(), seconds=5)
