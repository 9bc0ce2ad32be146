"""The watch folder with a real daemon: deliveries, late and changed files, failures, kills, two watchers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Videomatte
from daemons import Daemon, daemon_in, until
from shots import Shot, disc, make_shot, picture, trimap, write_exr, write_png

from bridge import exr
from bridge.shot.hold import Hold
from bridge.watch import tracked
from bridge.watch.beside import read_done, read_status
from bridge.watch.ledger import Ledger, ledger_file
from bridge.watch.runner import CLAIM
from bridge.wire.messages import Jobs

SIZE = {"width": 48, "height": 32}
FRAMES = tuple(range(1001, 1006))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture
def daemon(served: Daemon, videomatte: Videomatte, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    monkeypatch.setenv("VIDEOMATTE_CONNECTION", str(served.connection))
    return served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "in of é"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def arrive(folder: Path, name: str = "ball", *, frames: int = 5) -> Shot:
    """Lay a shot into a watched folder as it is delivered, with one trimap."""
    shot = make_shot(folder / name, frames=frames, keys=(), **SIZE)
    paint(folder / name, 1001)
    return shot


def paint(shot: Path, frame: int, *, band: int = 3) -> Path:
    return write_png(shot / f"trimap.{frame}.png", trimap(disc(frame - 1001, **SIZE), band=band))


def render(shot: Path, frame: int, *, seed: int) -> Path:
    return write_exr(shot / f"plate.{frame}.exr", picture(disc(frame - 1001, **SIZE), seed=seed))


def watch(videomatte: Videomatte, folder: Path, out: Path, *more: object, status: int = 0) -> str:
    ran = videomatte("watch", folder, "--out", out, "--settle", 0.3, "--once", "--no-launch", *more)
    assert ran.status == status, ran.said
    return ran.said


def command(folder: Path, out: Path, *more: object) -> list[str]:
    words = ["watch", folder, "--out", out, "--settle", 0.3, "--interval", 0.2, "--no-launch", "--no-report", "--json", *more]
    return [sys.executable, "-m", "bridge.cli", *map(str, words)]


def started(folder: Path, out: Path, *more: object, state: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, **({"XDG_STATE_HOME": str(state)} if state else {})}
    return subprocess.Popen(command(folder, out, *more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def mattes(out: Path, name: str = "ball") -> dict[int, int]:
    """Return the inode of every matte of a shot."""
    return {int(p.name.split(".")[1]): p.stat().st_ino for p in sorted((out / name).glob("matte.*.exr"))}


def deliveries(folder: Path, out: Path) -> list[int]:
    """Return how many frames were solved for each delivery."""
    ledger = Ledger(ledger_file(folder, out))
    found = [solved for _, _, solved in ledger.deliveries()]
    ledger.close()
    return found


def reason(out: Path, name: str = "ball") -> dict[str, Any]:
    return read_status(out / name) or {}


def test_a_shot_is_delivered_with_mattes_a_word_and_a_page(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    shot = arrive(folder)
    assert "1 done" in watch(videomatte, folder, out)
    assert tuple(mattes(out)) == FRAMES
    for frame in FRAMES:
        assert np.abs(exr.read_channel(out / "ball" / f"matte.{frame}.exr").values - shot.truth[frame]).mean() < 0.05
    done = read_done(out / "ball") or {}
    assert (done["frames"], done["keys"], done["solved"]) == ("1001-1005", [1001], "1001-1005")
    assert set(done["inputs"]) == {f"ball/plate.{f}.exr" for f in FRAMES} | {"ball/trimap.1001.png"}
    assert reason(out)["state"] == "done"
    page = (out / "ball" / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 25
    assert not re.search(r"""(src|href)=["']?(https?:|//)""", page)
    assert sorted(p.name for p in (folder / "ball").iterdir()) == sorted([*(f"plate.{f}.exr" for f in FRAMES), "trimap.1001.png"])


def test_a_second_watch_solves_nothing_again(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    watch(videomatte, folder, out)
    before = mattes(out), (out / "ball" / "done.json").stat().st_mtime_ns
    watch(videomatte, folder, out)
    assert (mattes(out), (out / "ball" / "done.json").stat().st_mtime_ns) == before
    assert deliveries(folder, out) == [5]


def test_a_lost_ledger_costs_nothing(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    watch(videomatte, folder, out)
    before = mattes(out)
    ledger_file(folder, out).unlink()
    watch(videomatte, folder, out)
    assert (mattes(out), deliveries(folder, out)) == (before, [])


def test_late_frames_leave_the_earlier_ones_alone(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    watch(videomatte, folder, out)
    before = mattes(out)
    render(folder / "ball", 1006, seed=6)
    watch(videomatte, folder, out)
    after = mattes(out)
    assert {f for f in after if after[f] == before.get(f)} == {1001, 1002, 1003}
    assert (read_done(out / "ball") or {})["frames"] == "1001-1006"
    assert deliveries(folder, out) == [5, 3]


def test_a_frame_that_is_delivered_again_makes_new_what_it_reaches(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    watch(videomatte, folder, out)
    before = mattes(out)
    render(folder / "ball", 1005, seed=77)
    watch(videomatte, folder, out)
    assert [f for f in FRAMES if mattes(out)[f] != before[f]] == [1003, 1004, 1005]


def test_trimaps_that_change_come_and_go(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    paint(folder / "ball", 1004)
    watch(videomatte, folder, out)
    before = mattes(out)
    paint(folder / "ball", 1004, band=5)
    watch(videomatte, folder, out)
    assert mattes(out)[1001] != before[1001] or mattes(out)[1004] != before[1004]
    (folder / "ball" / "trimap.1004.png").unlink()
    watch(videomatte, folder, out)
    assert (read_done(out / "ball") or {})["keys"] == [1001]


def test_a_garbage_matte_that_is_delivered_again_is_taken_out_of_the_matte(
    daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path
) -> None:
    arrive(folder)
    (folder / "ball" / "job.json").write_text('{"garbage": "../roto/gm.####.exr"}')
    nothing, all_of_it = (np.full((SIZE["height"], SIZE["width"]), value, np.float32) for value in (0.0, 1.0))
    for frame in FRAMES:
        write_exr(folder / "roto" / f"gm.{frame}.exr", nothing)
    watch(videomatte, folder, out)
    before = mattes(out)
    assert exr.read_channel(out / "ball" / "matte.1002.exr").values.max() == 1
    write_exr(folder / "roto" / "gm.1002.exr", all_of_it)
    watch(videomatte, folder, out)
    assert exr.read_channel(out / "ball" / "matte.1002.exr").values.max() == 0
    assert [f for f in FRAMES if mattes(out)[f] != before[f]] == [1002]


def test_plates_that_are_taken_away_afterwards_change_nothing(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    watch(videomatte, folder, out)
    before = mattes(out)
    for path in (folder / "ball").glob("plate.100[2-5].exr"):
        path.unlink()
    watch(videomatte, folder, out)
    assert mattes(out) == before
    assert read_done(out / "ball") is not None
    shutil.rmtree(folder / "ball")
    assert "No shots" in watch(videomatte, folder, out)
    assert read_done(out / "ball") is not None


def test_a_damaged_plate_sets_its_shot_aside_by_name_and_no_other(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder, "good")
    arrive(folder, "bad")
    broken = folder / "bad" / "plate.1003.exr"
    broken.write_bytes(broken.read_bytes()[:-400])
    said = watch(videomatte, folder, out, status=3)
    assert "1 done, 1 failed" in said
    assert (reason(out, "bad")["state"], reason(out, "bad")["file"]) == ("failed", str(broken))
    assert tuple(mattes(out, "good")) == FRAMES
    assert mattes(out, "bad") == {}
    begun = time.monotonic()
    watch(videomatte, folder, out, status=3)
    assert time.monotonic() - begun < 3, "it was tried again though nothing changed"
    render(folder / "bad", 1003, seed=3)
    watch(videomatte, folder, out)
    assert tuple(mattes(out, "bad")) == FRAMES


def test_what_is_not_complete_is_left_and_says_what_it_waits_for(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    (folder / "ball" / "plate.1003.exr").unlink()
    watch(videomatte, folder, out)
    assert (reason(out)["state"], reason(out)["reason"]) == ("waiting", "frames 1003")
    (folder / "videomatte.toml").write_text('gaps = "allow"')
    watch(videomatte, folder, out)
    assert tuple(mattes(out)) == (1001, 1002, 1004, 1005)
    assert (read_done(out / "ball") or {})["missing"] == "1003"


def test_a_wrong_word_in_the_settings_of_a_delivered_shot_is_said(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    watch(videomatte, folder, out)
    before = mattes(out)
    (folder / "videomatte.toml").write_text("foo = 1")
    assert "foo" in watch(videomatte, folder, out, status=3)
    assert (reason(out)["state"], mattes(out)) == ("failed", before)
    (folder / "videomatte.toml").unlink()
    watch(videomatte, folder, out)
    assert (reason(out)["state"], mattes(out)) == ("done", before)


def test_settings_choose_what_is_delivered(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    (folder / "videomatte.toml").write_text(
        'outputs = ["matte", "foreground", "trimap"]\nrange = "1002-1004"\ndepth = "half"\nchannels = "a"'
    )
    watch(videomatte, folder, out)
    found = sorted(p.name for p in (out / "ball").glob("*.exr"))
    assert found == sorted(f"{kind}.{frame}.exr" for kind in ("matte", "foreground", "trimap") for frame in (1002, 1003, 1004))
    header = exr.read_header(out / "ball" / "matte.1003.exr")
    assert header.channels == ("A",)


def test_a_file_of_somebody_else_is_never_replaced(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    other = write_exr(out / "ball" / "matte.1003.exr", disc(0, **SIZE))
    before = other.read_bytes()
    watch(videomatte, folder, out, status=3)
    assert other.read_bytes() == before
    assert reason(out)["code"] == "input.foreign_file"
    assert read_done(out / "ball") is None


def test_without_a_daemon_it_is_tried_again_and_the_next_watch_forgets(
    daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked, "FIRST_PAUSE", 0.1)
    monkeypatch.setenv("VIDEOMATTE_CONNECTION", str(tmp_path / "nobody.json"))
    arrive(folder)
    watch(videomatte, folder, out, status=3)
    assert reason(out)["code"] == "daemon.unreachable"
    monkeypatch.setenv("VIDEOMATTE_CONNECTION", str(daemon.connection))
    watch(videomatte, folder, out)
    assert tuple(mattes(out)) == FRAMES


@contextmanager
def full(daemon: Daemon) -> Iterator[None]:
    """Let the daemon's workers write no file of any size inside, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("the limits of another process cannot be set here")
    until(daemon.workers)
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in daemon.workers()}
    try:
        for pid, (_, most) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (500, most))
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_holds_a_shot_until_there_is_room(
    daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked, "FIRST_PAUSE", 0.1)
    arrive(folder)
    with full(daemon):
        watch(videomatte, folder, out, status=3)
    said = reason(out)
    assert (said["code"], said["remedy"][:14]) == ("resource.storage", "Check the disk")
    assert f"{out / 'ball' / 'ball.vmatte'}/trimap/trimap.1001.exr could not be written" in said["reason"]
    assert (mattes(out), read_done(out / "ball")) == ({}, None)
    assert not list(out.rglob(".videomatte~*"))
    watch(videomatte, folder, out)
    assert tuple(mattes(out)) == FRAMES


def test_a_report_that_cannot_be_written_is_said_beside_the_delivery(
    daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path
) -> None:
    arrive(folder)
    (out / "ball" / "report.html").mkdir(parents=True)
    watch(videomatte, folder, out)
    assert tuple(mattes(out)) == FRAMES
    (note,) = [n for n in (read_done(out / "ball") or {})["notes"] if "report" in n]
    assert f"{out / 'ball' / 'report.html'} could not be written: a folder has this name" in note


def solving(out: Path, name: str = "ball") -> bool:
    return reason(out, name).get("state") == "solving"


def test_frames_that_come_one_by_one_are_delivered_by_a_watcher_that_stays(daemon: Daemon, folder: Path, out: Path) -> None:
    (folder / "ball").mkdir(parents=True)
    watcher = started(folder, out)
    try:
        paint(folder / "ball", 1001)
        for frame in FRAMES:
            render(folder / "ball", frame, seed=frame)
            time.sleep(0.15)
        until(lambda: (read_done(out / "ball") or {}).get("frames") == "1001-1005")
    finally:
        watcher.send_signal(signal.SIGTERM)
        said, _ = watcher.communicate(timeout=30)
    assert watcher.returncode == 143, said
    assert "Traceback" not in said
    assert tuple(mattes(out)) == FRAMES


def test_frames_that_come_while_a_shot_is_solved_are_solved_next(daemon: Daemon, folder: Path, out: Path) -> None:
    arrive(folder, frames=40)
    watcher = started(folder, out, "--once")
    until(lambda: solving(out))
    render(folder / "ball", 1041, seed=41)
    said, _ = watcher.communicate(timeout=120)
    assert watcher.returncode == 0, said
    assert (read_done(out / "ball") or {})["frames"] == "1001-1041"
    assert len(mattes(out)) == 41


def test_a_watcher_that_is_killed_is_followed_by_one_that_solves_nothing_twice(
    daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path
) -> None:
    arrive(folder, frames=40)
    watcher = started(folder, out)
    until(lambda: solving(out))
    watcher.kill()
    watcher.communicate()
    assert read_done(out / "ball") is None
    watch(videomatte, folder, out)
    assert len(mattes(out)) == 40
    with daemon.client() as client:
        jobs = [job for job in client.call(Jobs(all=True)).jobs if str(out) in job.label]
    assert sum(job.total for job in jobs) == 40, jobs
    assert not list((out / "ball").glob("watch.claim"))


def test_a_daemon_that_is_killed_and_started_anew_goes_on(videomatte: Videomatte, folder: Path, out: Path, tmp_path: Path) -> None:
    arrive(folder, frames=40)
    with daemon_in(tmp_path / "d") as daemon, pytest.MonkeyPatch.context() as patched:
        patched.setenv("VIDEOMATTE_CONNECTION", str(daemon.connection))
        watcher = started(folder, out, "--once")
        until(lambda: solving(out))
        daemon.kill()
        daemon.start()
        said, _ = watcher.communicate(timeout=120)
    assert watcher.returncode == 0, said
    assert len(mattes(out)) == 40
    assert (read_done(out / "ball") or {})["frames"] == "1001-1040"


def test_two_watchers_never_solve_one_shot_twice(daemon: Daemon, folder: Path, out: Path, tmp_path: Path) -> None:
    names = [f"sh{i}" for i in range(4)]
    for name in names:
        arrive(folder, name)
    both = [started(folder, out, "--once", state=tmp_path / f"state {i}") for i in range(2)]
    for watcher in both:
        said, _ = watcher.communicate(timeout=120)
        assert watcher.returncode == 0, said
    solved: list[str] = []
    for i in range(2):
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("XDG_STATE_HOME", str(tmp_path / f"state {i}"))
            ledger = Ledger(ledger_file(folder, out))
            solved += [name for name, _, frames in ledger.deliveries() if frames]
            ledger.close()
    assert sorted(solved) == names
    assert all(tuple(mattes(out, name)) == FRAMES for name in names)


def test_a_shot_that_somebody_else_is_at_is_told_once(daemon: Daemon, folder: Path, out: Path) -> None:
    arrive(folder)
    (out / "ball").mkdir(parents=True)
    with Hold(out / "ball" / CLAIM, doing="solved"):
        watcher = started(folder, out, "--once")
        until(lambda: reason(out).get("state") == "held")
        time.sleep(2.0)
    said, _ = watcher.communicate(timeout=120)
    assert watcher.returncode == 0, said
    told = [json.loads(line)["state"] for line in said.splitlines() if '"event": "shot"' in line]
    assert told == ["waiting", "checking", "queued", "held", "solving", "done"]


def test_a_watcher_tells_programs_how_shots_change(daemon: Daemon, videomatte: Videomatte, folder: Path, out: Path) -> None:
    arrive(folder)
    ran = videomatte("watch", folder, "--out", out, "--settle", 0.3, "--once", "--no-launch", "--json", "--no-report")
    told = [json.loads(line) for line in ran.out.splitlines()]
    states = list(dict.fromkeys(event["state"] for event in told if event["event"] == "shot"))
    assert states == ["waiting", "checking", "queued", "solving", "done"]
    assert told[-1]["event"] == "end"
    assert told[-1]["shots"] == {"done": 1}
