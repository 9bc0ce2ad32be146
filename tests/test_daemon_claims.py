"""Claims on shot folders that a daemon's jobs leave, let go of when no worker is at them any more."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from daemons import daemon_in, until
from shots import make_shot

from bridge.daemon import leftovers
from bridge.daemon.queue import Record
from bridge.shot.hold import Holder
from bridge.shot.work import CLAIM
from bridge.wire.description import Description
from bridge.wire.messages import JobAccepted


def claimed(folder: Path, token: str) -> Path:
    folder.mkdir()
    (folder / CLAIM).write_text(json.dumps(asdict(Holder.of(token=token))))
    return folder / CLAIM


def record(job: str, folder: Path | None) -> Record:
    return Record(job, "shot", Description(), folder=None if folder is None else str(folder), created=0.0)


def test_the_claims_of_jobs_are_let_go_of_and_those_of_others_stay(tmp_path: Path) -> None:
    own, others = claimed(tmp_path / "own", "job"), claimed(tmp_path / "others", "another job")
    leftovers.let_all_go([record("job", tmp_path / "own"), record("job", tmp_path / "others"), record("loose", None)])
    assert (own.exists(), others.exists()) == (False, True)


def test_a_disk_that_does_not_answer_holds_no_daemon_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(leftovers, "let_go", lambda *_: answer.wait(30))
    monkeypatch.setattr(leftovers, "LET_GO_SECONDS", 0.2)
    begun = time.monotonic()
    leftovers.let_all_go([record("job", tmp_path), record("job", tmp_path)])
    assert 0.2 <= time.monotonic() - begun < 5
    answer.set()


def test_a_daemon_that_is_stopped_in_the_middle_leaves_no_claim_and_goes_on_at_its_next_start(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "plates", frames=12, first=1, keys=(1,), width=96, height=64)
    folder = tmp_path / "s.vmatte"
    with daemon_in(tmp_path / "d") as daemon:
        with daemon.client() as client:
            stream = client.solve(client.open(Description(plate=shot.plate, trimap=shot.keys), folder=str(folder)))
            accepted = next(stream)
            assert isinstance(accepted, JobAccepted)
            until(lambda: list((folder / "alpha" / "pending").glob("alpha.*")))
            assert (folder / CLAIM).exists()
        assert daemon.terminate() == 0
        assert not (folder / CLAIM).exists()
        daemon.start()
        until(lambda: (folder / "alpha" / "v001").exists())
        until(lambda: not (folder / CLAIM).exists())
    assert len(list((folder / "alpha" / "v001").glob("alpha.*"))) == 12
