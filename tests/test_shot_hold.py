"""Who may edit and who may solve: one at a time, taken from the dead, never from the living."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from vmatte import begun, dead_pid, painted

from bridge.shot import hold
from bridge.shot.folder import Shot
from bridge.shot.hold import Hold, Holder
from bridge.shot.work import Work
from bridge.wire.errors import StorageError


def left_by(path: Path, holder: Holder, *, seconds_ago: float = 0.0) -> None:
    """Leave a file as a holder does that went away."""
    path.write_text(json.dumps(asdict(holder)))
    stamp = time.time() - seconds_ago
    os.utime(path, (stamp, stamp))


def held(path: Path, **choices: object) -> Hold:
    return Hold(path, doing="edited", **choices)  # type: ignore[arg-type]


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    with held(tmp_path / "x"):
        begun_at = time.monotonic()
        with pytest.raises(StorageError, match=f"being edited by process {os.getpid()} on ") as raised, held(tmp_path / "x", patience=0.3):
            pass
        assert time.monotonic() - begun_at >= 0.3
        assert "remove x" in raised.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    left_by(tmp_path / "x", Holder.of(pid=dead_pid()))
    with held(tmp_path / "x") as own:
        assert json.loads((tmp_path / "x").read_text()) == asdict(own.holder)


def test_what_a_dead_process_left_is_taken_over_in_the_name_of_the_one_that_goes_on(tmp_path: Path) -> None:
    """The token of a job outlives its daemon: who goes on must be seen to live."""
    left_by(tmp_path / "x", Holder.of(pid=dead_pid(), token="job"))
    with held(tmp_path / "x", holder=Holder.of(token="job")) as own:
        assert json.loads((tmp_path / "x").read_text()) == asdict(own.holder)
        with pytest.raises(StorageError), held(tmp_path / "x"):
            pass


def test_a_later_process_of_the_same_number_is_another(tmp_path: Path) -> None:
    if not Holder.of().started:
        pytest.skip("this system does not say when a process began")
    left_by(tmp_path / "x", replace(Holder.of(), started="1"))
    with held(tmp_path / "x"):
        pass
    left_by(tmp_path / "x", Holder.of())
    with pytest.raises(StorageError), held(tmp_path / "x"):
        pass


@pytest.mark.parametrize(("age", "taken"), [(hold.ABANDONED_SECONDS - 20, False), (hold.ABANDONED_SECONDS + 20, True)])
@pytest.mark.parametrize("text", [None, "", "{"])
def test_elsewhere_only_silence_tells_that_a_holder_is_dead(tmp_path: Path, age: float, taken: bool, text: str | None) -> None:
    """The same where nobody can tell whose it is."""
    left_by(tmp_path / "x", replace(Holder.of(), host="elsewhere"), seconds_ago=age)
    if text is not None:
        (tmp_path / "x").write_text(text)
        os.utime(tmp_path / "x", (time.time() - age,) * 2)
    if taken:
        with held(tmp_path / "x"):
            pass
    else:
        with pytest.raises(StorageError, match=r"elsewhere|another process"), held(tmp_path / "x"):
            pass


def test_what_a_living_holder_took_meanwhile_is_given_back(tmp_path: Path) -> None:
    dead, living = Holder.of(pid=dead_pid()), Holder.of()
    left_by(tmp_path / "x", living)
    held(tmp_path / "x")._bury(dead)
    assert json.loads((tmp_path / "x").read_text()) == asdict(living)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_holders_with_one_token_are_one(tmp_path: Path) -> None:
    first, second = (held(tmp_path / "x", holder=Holder.of(token="job 7")) for _ in range(2))
    first.take()
    second.take()
    second.release()
    assert not (tmp_path / "x").exists()


def test_the_file_is_touched_while_its_holder_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "BEAT_SECONDS", 0.02)
    with held(tmp_path / "x"):
        os.utime(tmp_path / "x", (0, 0))
        until = time.monotonic() + 5
        while (tmp_path / "x").stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert (tmp_path / "x").stat().st_mtime > 1e9


@pytest.mark.parametrize("links", [True, False])
def test_edits_at_the_same_time_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    monkeypatch.setattr(hold, "LOOK_EVERY", 0.002)
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    shot = Shot.create(tmp_path / "s.vmatte")
    threads = [threading.Thread(target=_lock_five, args=(Shot(shot.folder), 10 * k)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shot.locked == {10 * k + i for k in range(6) for i in range(5)}
    assert [p.name for p in shot.folder.iterdir()] == ["shot.json"]


def _lock_five(shot: Shot, first: int) -> None:
    for frame in range(first, first + 5):
        shot.lock([frame])


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no hard links here")


def test_a_shot_is_solved_by_one_at_a_time_and_edited_meanwhile(tmp_path: Path) -> None:
    shot = begun(painted(tmp_path / "plates", frames=3, keys=(1,)), tmp_path / "s.vmatte")
    with Work.begin(shot):
        with pytest.raises(StorageError, match=rf"is being solved by process {os.getpid()} on "):
            Work.begin(shot)
        shot.lock([1])
    with Work.begin(shot, holder=Holder.of(token="job")), Work.begin(shot, holder=Holder.of(token="job")) as same:
        assert same.todo == [1, 2, 3]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.x could not be written"), held(tmp_path / "nowhere" / "x"):
        pass
