"""The job queue on disk: restarts, damage, other versions, network mounts, full disks."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.daemon import queue
from bridge.daemon.queue import KEPT_ENDED, Queue, Record
from bridge.wire.description import Description
from bridge.wire.errors import StorageError

ASKED = Description(plate="/p/plate.####.exr", trimap="/p/key.####.png", out="/o/alpha.####.exr", frames="1001-1003", overwrite=True)
WHOLE = Record(
    "j1",
    "s1",
    ASKED,
    folder="/p/shot.vmatte",
    state="running",
    created=12.5,
    frames="1001-1002",
    todo=(1001, 1002),
    kept=(1003,),
    missing=(1004,),
    understood=True,
    notes=("a note", "ü"),
    files={"matte": "/o/alpha.####.exr"},
    version="/p/shot.vmatte/alpha/v001",
    error={"code": "input", "message": "why"},
)


def kept(path: Path, *records: Record) -> list[Record]:
    """Write records, open the file again and return what it holds."""
    first = Queue(path)
    for record in records:
        first.put(record)
    first.close()
    return again(path)


def again(path: Path) -> list[Record]:
    second = Queue(path)
    found = list(second.records())
    second.close()
    return found


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    assert kept(tmp_path / "queue.sqlite", WHOLE) == [WHOLE]


def test_jobs_come_back_in_the_order_they_were_taken_in(tmp_path: Path) -> None:
    records = [Record(f"j{n}", "s", ASKED, created=float(n)) for n in (3, 1, 2)]
    assert [r.id for r in kept(tmp_path / "q.sqlite", *records)] == ["j1", "j2", "j3"]


def test_a_job_is_kept_once_as_it_is_now(tmp_path: Path) -> None:
    assert kept(tmp_path / "q.sqlite", WHOLE, replace(WHOLE, state="done")) == [replace(WHOLE, state="done")]


def test_only_the_newest_of_the_ended_jobs_are_kept_and_all_that_wait(tmp_path: Path) -> None:
    waiting = Record("waiting", "s", ASKED, created=0.0)
    ended = [Record(f"j{n}", "s", ASKED, state="done", created=1.0 + n) for n in range(KEPT_ENDED + 5)]
    found = kept(tmp_path / "q.sqlite", waiting, *ended)
    assert [r.id for r in found] == ["waiting", *(f"j{n}" for n in range(5, KEPT_ENDED + 5))]


def test_a_name_that_is_no_unicode_is_kept(tmp_path: Path) -> None:
    odd = replace(WHOLE, files={"matte": "/o/\udcff.####.exr"})
    assert kept(tmp_path / "q.sqlite", odd) == [odd]


def test_a_file_that_is_no_queue_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_bytes(b"this is not a database" * 100)
    assert kept(path, WHOLE) == [WHOLE]
    (aside,) = tmp_path.glob("queue.damaged-*")
    assert aside.read_bytes().startswith(b"this is not")


def test_a_queue_that_is_damaged_in_the_middle_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    kept(path, *(Record(f"j{n}", "s", ASKED, created=float(n)) for n in range(200)))
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xa5" * (len(data) - 8192 - 4096)
    path.write_bytes(data)
    assert kept(path, WHOLE) == [WHOLE]
    assert len(list(tmp_path.glob("queue.damaged-*"))) == 1


def test_a_queue_of_another_version_is_set_aside_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE jobs (something TEXT)")
    other.execute("PRAGMA user_version=99")
    other.close()
    assert again(path) == []
    (aside,) = tmp_path.glob("queue.damaged-*")
    found = sqlite3.connect(aside)
    assert found.execute("PRAGMA user_version").fetchone() == (99,)
    found.close()


def test_a_record_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    kept(path, WHOLE)
    base = sqlite3.connect(path)
    base.execute("INSERT INTO jobs VALUES ('x', 0, 'queued', '{\"id\": 1}')")
    base.execute("INSERT INTO jobs VALUES ('y', 0, 'queued', 'no json')")
    base.commit()
    base.close()
    assert again(path) == [WHOLE]


def test_unknown_facts_of_a_newer_daemon_are_passed_over(tmp_path: Path) -> None:
    assert queue.read({"id": "a", "shot": "s", "description": {"plate": "p", "new": 1}, "newer": 2}) == Record(
        "a", "s", Description(plate="p")
    )


@pytest.mark.parametrize(("network", "journal"), [(False, "wal"), (True, "delete")])
def test_the_journal_suits_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bool, journal: str) -> None:
    monkeypatch.setattr(queue, "on_network", lambda _: network)
    Queue(tmp_path / "q.sqlite").close()
    base = sqlite3.connect(tmp_path / "q.sqlite")
    assert base.execute("PRAGMA journal_mode").fetchone() == (journal,)
    base.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/queue\.sqlite"):
        Queue(tmp_path / "file" / "queue.sqlite")


def test_a_queue_that_another_process_holds_is_said_to_be_at_once(tmp_path: Path) -> None:
    ours = Queue(tmp_path / "q.sqlite")
    other = sqlite3.connect(tmp_path / "q.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        ours.put(WHOLE)
    other.execute("COMMIT")
    ours.put(WHOLE)
    assert list(ours.records()) == [WHOLE]
    other.close()
    ours.close()
