"""A shot that is edited while workers are at it: a worker that takes another's place plans anew, and what does not fit is said."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest
from shots import Shot as Painted
from shots import trimap, write_png
from vmatte import begun, contents, file, painted

from bridge.daemon import link
from bridge.daemon.tasks import Kind, Part, Task
from bridge.daemon.worker import steps
from bridge.daemon.worker.steps import Desk
from bridge.shot.folder import Shot
from bridge.shot.states import FrameState, standing
from bridge.shot.work import Work, let_go
from bridge.solve.shot import solve_shot
from bridge.wire.description import Description
from bridge.wire.errors import SequenceError, ShotError, StorageError, TrimapError, VideoMatteError

NUMBERS = count(1)


class Job:
    """A job about a shot folder, done step by step at desks as workers would."""

    def __init__(self, shot: Shot, scratch: Path) -> None:
        self._folder = shot.folder
        self.name, self.heard = f"job {next(NUMBERS)}", list[link.Said]()
        self._order = link.Order(asdict(Description(device="cpu")), str(shot.folder), str(scratch), {})

    def __call__(self, desk: Desk, kind: Kind, *, part: Part | None = None, frames: Iterable[int] = ()) -> dict[str, object]:
        task = Task(next(NUMBERS), self.name, kind, part, tuple(frames))
        return desk.perform(task, self._order, say=self.heard.append, between=lambda: True)[1]

    def over(self, desks: Iterable[Desk]) -> None:
        """End the job as the front does when no worker is at it."""
        for desk in desks:
            with pytest.raises(VideoMatteError):
                self(desk, Kind.MATTE, frames=[-1])
        let_go(self._folder, self.name)

    def understood(self, desk: Desk) -> link.Understood:
        self(desk, Kind.UNDERSTAND)
        said = self.heard[-1]
        assert isinstance(said, link.Understood)
        return said


@pytest.fixture(scope="module")
def desks() -> tuple[Desk, Desk]:
    """Two workers of one device."""
    return Desk("cpu", memory=0, shared=None), Desk("cpu", memory=0, shared=None)


@pytest.fixture
def art(tmp_path: Path) -> Painted:
    return painted(tmp_path / "plates", frames=5, keys=(1, 5))


@pytest.fixture
def shot(art: Painted, tmp_path: Path) -> Shot:
    return begun(art, tmp_path / "s.vmatte")


@pytest.fixture
def job(shot: Shot, desks: tuple[Desk, Desk], tmp_path: Path) -> Iterator[Job]:
    job = Job(shot, tmp_path / "scratch")
    yield job
    job.over(desks)


def repaint(shot: Shot, art: Painted, frame: int) -> None:
    write_png(file(art.keys, frame), trimap(art.truth[frame], band=5))
    assert shot.set_keys(art.keys) == (frame,)


def claimed(shot: Shot) -> bool:
    return (shot.folder / "solve.claim").exists()


def test_a_task_that_fails_leaves_the_claim_to_the_other_workers_of_its_job(job: Job, desks: tuple[Desk, Desk], shot: Shot) -> None:
    plan = job.understood(desks[0])
    job(desks[1], Kind.PROPAGATE, part=plan.parts[0])
    with pytest.raises(SequenceError):
        job(desks[1], Kind.MATTE, frames=[9])
    assert claimed(shot)
    with pytest.raises(StorageError, match="being solved"):
        Work.begin(shot)
    job(desks[0], Kind.MATTE, frames=plan.frames)
    job(desks[0], Kind.PUBLISH)
    assert not claimed(shot)


def test_a_worker_that_cannot_plan_leaves_the_claim_to_the_others_and_the_first_one_does_not(
    job: Job, desks: tuple[Desk, Desk], shot: Shot
) -> None:
    job.understood(desks[0])
    shot.remove_key(1)
    shot.remove_key(5)
    with pytest.raises(TrimapError):
        job(desks[1], Kind.MATTE, frames=[1])
    assert claimed(shot)
    job.over(desks)
    with pytest.raises(TrimapError):
        Job(shot, shot.folder / "none").understood(desks[0])
    assert not claimed(shot)


def test_jobs_that_are_put_out_of_memory_keep_their_claim_and_no_thread(
    shot: Shot, desks: tuple[Desk, Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "JOBS_KEPT", 1)
    before = beating()
    folders = [shot.folder, Path(shutil.copytree(shot.folder, tmp_path / "other.vmatte"))]
    jobs = [Job(Shot.open(folder), tmp_path / folder.name) for folder in folders]
    plan, *_ = [job.understood(desks[0]) for job in (*jobs, *jobs, *jobs)]
    assert [claimed(Shot.open(folder)) for folder in folders] == [True, True]
    assert len(beating() - before) == 1
    for job in jobs:
        for part in plan.parts:
            job(desks[0], Kind.PROPAGATE, part=part)
        job(desks[0], Kind.MATTE, frames=plan.frames)
        job(desks[0], Kind.PUBLISH)
    assert [claimed(Shot.open(folder)) for folder in folders] == [False, False]
    assert not beating() - before


def beating() -> set[threading.Thread]:
    """Return the heartbeats there are, when those that were stopped have ended; claims that other tests left beat too."""
    threads = {t for t in threading.enumerate() if t.name == "heartbeat"}
    for thread in threads:
        thread.join(0.2)
    return {t for t in threads if t.is_alive()}


def ignored(_event: object) -> None:
    """Hear nothing."""


def test_a_key_set_while_a_worker_is_replaced_is_said_and_the_next_solve_goes_on(
    job: Job, desks: tuple[Desk, Desk], shot: Shot, art: Painted, tmp_path: Path
) -> None:
    plan = job.understood(desks[0])
    job(desks[0], Kind.PROPAGATE, part=plan.parts[0])
    job(desks[0], Kind.MATTE, frames=[1])
    repaint(shot, art, 5)
    with pytest.raises(ShotError, match="The trimap of frame 2 is not there: a key") as caught:
        job(desks[1], Kind.MATTE, frames=[4, 5])
    assert "Solve again" in caught.value.remedy
    assert solve_again(shot, tmp_path) == (1, 2, 3, 4, 5)


def solve_again(shot: Shot, tmp_path: Path) -> tuple[int, ...]:
    """Solve what is left, compare with a solve in one go, and return the frames that were solved."""
    (shot.folder / "solve.claim").unlink(missing_ok=True)
    solved = solve_shot(shot, tell=ignored, device="cpu").summary.solved
    anew = Shot.create(
        tmp_path / "anew.vmatte", Description(plate=shot.description.plate, trimap=str(shot.folder / "keys" / "key.####.exr"))
    )
    solve_shot(anew, tell=ignored, device="cpu")
    pixels = [contents(s.folder / "alpha" / "v001") for s in (shot, anew)]
    assert pixels[0] == pixels[1]
    assert set(standing(shot).states.values()) == {FrameState.SOLVED}
    return solved


def test_no_version_is_published_while_frames_are_left(
    job: Job, desks: tuple[Desk, Desk], shot: Shot, art: Painted, tmp_path: Path
) -> None:
    plan = job.understood(desks[0])
    job(desks[0], Kind.PROPAGATE, part=plan.parts[0])
    job(desks[0], Kind.MATTE, frames=[1, 2, 3, 5])
    with pytest.raises(ShotError, match="the frames 4 are not solved yet") as caught:
        job(desks[0], Kind.PUBLISH)
    assert "what is finished is kept" in caught.value.remedy
    assert os.listdir(shot.folder / "alpha") == ["pending"]
    assert solve_again(shot, tmp_path) == (4,)


def test_a_key_set_while_the_worker_that_publishes_is_replaced_leaves_its_frames_to_the_next_solve(
    job: Job, desks: tuple[Desk, Desk], shot: Shot, art: Painted, tmp_path: Path
) -> None:
    shot.lock([4])
    solved_by(job, desks[0])
    shot.remove_key(5)
    with pytest.raises(ShotError, match="the frames 1-5 are not solved yet"):
        job(desks[1], Kind.PUBLISH)
    shot.unlock([4])
    assert solve_again(shot, tmp_path) == (1, 2, 3, 4, 5)


def test_a_key_set_before_the_same_worker_publishes_leaves_a_version_of_what_was_planned(
    job: Job, desks: tuple[Desk, Desk], shot: Shot, art: Painted
) -> None:
    solved_by(job, desks[0])
    shot.remove_key(5)
    assert job(desks[0], Kind.PUBLISH)["version"] == str(shot.folder / "alpha" / "v001")
    assert set(standing(shot).states.values()) == {FrameState.STALE}


def solved_by(job: Job, desk: Desk) -> None:
    """Do all of a job but its last step."""
    plan = job.understood(desk)
    for part in plan.parts:
        job(desk, Kind.PROPAGATE, part=part)
    job(desk, Kind.MATTE, frames=plan.frames)


def test_a_key_that_came_or_went_while_a_worker_was_replaced_cuts_no_segment_of_the_old_plan(
    job: Job, desks: tuple[Desk, Desk], shot: Shot, art: Painted
) -> None:
    parts = job.understood(desks[0]).parts
    assert parts == (Part(1, 5, (2, 3, 4)),)
    write_png(file(art.keys, 3), trimap(art.truth[3]))
    shot.set_keys(art.keys)
    with pytest.raises(ShotError, match="The span 1-5 is no segment any more"):
        job(desks[1], Kind.PROPAGATE, part=parts[0])
    shot.remove_key(3)
    shot.remove_key(5)
    with pytest.raises(ShotError, match="The span 1-5 is no segment any more"):
        job(desks[1], Kind.PROPAGATE, part=parts[0])
    assert sorted(os.listdir(shot.folder / "trimap")) == ["trimap.0001.exr", "trimap.0005.exr"]


@pytest.mark.parametrize("frames", [(2, 3), (3, 4, 5), (2, 4)])
def test_a_part_of_a_segment_that_no_pass_walks_is_none(job: Job, desks: tuple[Desk, Desk], shot: Shot, frames: tuple[int, ...]) -> None:
    shot.remove_key(5)
    (part,) = job.understood(desks[0]).parts
    assert (part, job.understood(desks[0]).frames) == (Part(1, None, (2, 3, 4, 5)), (1, 2, 3, 4, 5))
    if frames == (2, 3):
        job(desks[0], Kind.PROPAGATE, part=Part(1, None, frames))
    else:
        with pytest.raises(ShotError, match="The tail after 1 is no segment any more"):
            job(desks[0], Kind.PROPAGATE, part=Part(1, None, frames))


def test_a_plate_that_went_while_a_worker_was_replaced_is_said(job: Job, desks: tuple[Desk, Desk], art: Painted, shot: Shot) -> None:
    plan = job.understood(desks[0])
    job(desks[0], Kind.PROPAGATE, part=plan.parts[0])
    shot.update(Description(plate=art.plate, frames="1-5"))
    file(art.plate, 3).unlink()
    with pytest.raises(SequenceError, match="1 frame is missing: 3"):
        job(desks[1], Kind.MATTE, frames=[2, 3])


def test_what_went_wrong_is_never_an_internal_error(job: Job, desks: tuple[Desk, Desk], shot: Shot) -> None:
    job.understood(desks[0])
    with pytest.raises(VideoMatteError) as caught:
        job(desks[1], Kind.MATTE, frames=[2])
    assert caught.value.code == "input.shot"
