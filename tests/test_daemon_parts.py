"""The parts of the front by themselves: lines to workers, guard, the box of calls, doors."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from bridge.daemon import link
from bridge.daemon.doors import Doors
from bridge.daemon.guard import Guard
from bridge.daemon.post import Clerks, Post
from bridge.daemon.serve import alone
from bridge.daemon.tasks import Kind, Part, Task
from bridge.wire.curve import Key
from bridge.wire.description import Description
from bridge.wire.errors import NotAllowedError, UsageError
from bridge.wire.mapping import PathMap

# Lines to workers

ORDER = link.Order(asdict(Description(plate="/p/ü.####.exr")), "/s.vmatte", "/scratch/j", {"frame": 7, "into": None})
SAID: list[link.Said] = [
    link.Perform(Task(3, "j", Kind.PROPAGATE, Part(1001, None, (1002, 1003, 1005)), ()), ORDER),
    link.Perform(Task(4, "j", Kind.MATTE, None, (-2, -1, 0, 1)), ORDER),
    link.EndTurn(3),
    link.Drop(3),
    link.Quit(),
    link.Ready("cuda:0", "a card", 1 << 34, ("cuda:1",)),
    link.Understood(
        3, (Part(None, 1001, (1000,)), Part(1001, 1005, (1002, 1003, 1004))), (1000, 1002), (1001,), (), {"matte": "/o/\udcff"}
    ),
    link.Advanced(3, "propagate", 1002),
    link.Landed(3, 1002, ("/o/a.1002.exr",)),
    link.Finished(3, ("a\nnote",), {"version": "/s.vmatte/alpha/v001"}),
    link.Failed(3, {"code": "input", "message": "m", "remedy": "", "file": None, "frame": 1}, memory=True),
    link.Beat(1, 2),
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: type(said).__name__)
def test_what_is_said_is_one_line_and_is_heard_as_it_was_said(said: link.Said) -> None:
    text = link.line(said)
    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    assert link.heard(text) == said


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"no json", b'{"say": "Nothing"}', b'{"say": "Beat"}', b'{"say": "Beat", "more": 1}'])
def test_a_line_that_says_nothing_known_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        link.heard(text)


# Guard


def guard(*folders: Path, pairs: tuple[tuple[str, str], ...] = ()) -> Guard:
    return Guard(PathMap(pairs), tuple(folder.resolve() for folder in folders))


def test_a_client_of_this_machine_may_name_anything_whole(tmp_path: Path) -> None:
    free = Guard(PathMap(()), None)
    assert free.path("/etc/passwd") == "/etc/passwd"
    free.files(Description(plate="/anything/####.exr"))
    for relative in ("plate.exr", "./a", "../a", "C:\\plates\\a.exr", "C:/plates/a.exr"):
        with pytest.raises(UsageError, match="whole path"):
            free.path(relative)


def test_a_guest_may_name_what_lies_in_its_folders_alone(tmp_path: Path) -> None:
    inside = tmp_path / "show"
    inside.mkdir()
    (tmp_path / "show2").mkdir()
    held = guard(inside)
    assert held.path(str(inside / "a" / "b.####.exr")) == str(inside / "a" / "b.####.exr")
    assert held.path(str(inside)) == str(inside)
    for outside in (tmp_path, tmp_path / "show2" / "a.exr", inside / ".." / "show2" / "a.exr", Path("/"), Path("/etc/passwd")):
        with pytest.raises(NotAllowedError):
            held.path(str(outside))


def test_a_guest_without_folders_may_name_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError):
        Guard(PathMap(()), ()).path(str(tmp_path))


def test_a_link_is_followed_before_it_is_judged(tmp_path: Path) -> None:
    inside, outside = tmp_path / "show", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    (inside / "door").symlink_to(outside)
    (outside / "back").symlink_to(inside)
    with pytest.raises(NotAllowedError):
        guard(inside).path(str(inside / "door" / "a.####.exr"))
    assert guard(inside).path(str(outside / "back" / "a.exr"))


def test_every_frame_of_a_pattern_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    inside = tmp_path / "show"
    inside.mkdir()
    (tmp_path / "secret.exr").touch()
    (inside / "plate.1001.exr").touch()
    asked = Description(plate=str(inside / "plate.####.exr"))
    held = guard(inside)
    held.files(held.description(asked))
    (inside / "plate.1002.exr").symlink_to(tmp_path / "secret.exr")
    with pytest.raises(NotAllowedError, match=r"plate\.1002\.exr"):
        held.files(held.description(asked))


def test_no_link_in_a_shot_folder_leads_out_of_what_a_guest_may_name(tmp_path: Path) -> None:
    show, shot = tmp_path / "show", tmp_path / "show" / "s.vmatte"
    (shot / "keys").mkdir(parents=True)
    (shot / "alpha").symlink_to(shot / "keys")
    guard(show).links(shot)
    (shot / "keys" / "key.1001.exr").symlink_to(tmp_path / "secret.exr")
    with pytest.raises(NotAllowedError, match=r"key\.1001\.exr"):
        guard(show).links(shot)
    Guard(PathMap(()), None).links(shot)


def test_every_path_of_a_description_is_mapped_and_judged(tmp_path: Path) -> None:
    held = guard(tmp_path, pairs=(("P:/show", str(tmp_path)),))
    names = ("plate", "trimap", "out", "trimap_out", "foreground", "garbage", "holdout")
    seen = held.description(Description(**{name: f"P:/show/{name}.####.exr" for name in names}))  # type: ignore[arg-type]
    assert all(getattr(seen, name) == str(tmp_path / f"{name}.####.exr") for name in names)
    for name in names:
        with pytest.raises(NotAllowedError):
            held.description(Description(**{name: "/etc/x.####.exr"}))  # type: ignore[arg-type]


# The box of calls


def test_calls_from_other_threads_ring_the_bell_and_are_made_in_order() -> None:
    post, made = Post(), list[int]()
    threads = [threading.Thread(target=post.put, args=(partial(made.append, n),)) for n in range(20)]
    for thread in threads:
        thread.start()
        thread.join()
    assert post.bell.recv(1) == b"\0"
    for call in post.taken():
        call()
    assert made == list(range(20))
    post.close()


def test_a_call_that_puts_another_one_leaves_the_loop_its_turn() -> None:
    post, made = Post(), list[int]()

    def call() -> None:
        made.append(len(made))
        post.put(call)

    post.put(call)
    for turn in range(3):
        for one in post.taken():
            one()
        assert len(made) == turn + 1
    post.close()


def test_work_of_one_strand_is_done_in_order_and_an_error_holds_nothing_up() -> None:
    post, heard = Post(), list[object]()
    clerks = Clerks(post)

    def work(n: int) -> int:
        if n == 2:
            raise ValueError("two")
        return n

    for n in range(5):
        clerks.ask("strand", partial(work, n), then=heard.append, otherwise=lambda error: heard.append(str(error)))
    for _ in range(500):
        for call in post.taken():
            call()
        if len(heard) == 5:
            break
        threading.Event().wait(0.01)
    assert heard == [0, 1, "two", 3, 4]
    assert not clerks._strands
    clerks.close()
    post.close()


def test_what_is_done_with_the_work_may_fail_without_holding_the_strand_up() -> None:
    post, heard = Post(), list[int]()
    clerks = Clerks(post)

    def broken(_: object) -> None:
        raise RuntimeError("in the loop")

    clerks.ask("s", lambda: 1, then=broken, otherwise=broken)
    clerks.ask("s", lambda: 2, then=heard.append, otherwise=broken)
    for _ in range(500):
        for call in post.taken():
            with suppress(RuntimeError):
                call()
        if heard:
            break
        threading.Event().wait(0.01)
    assert heard == [2]
    clerks.close()
    post.close()


# Doors


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:x", "host:-1", "host:65535", "host:99999"])
def test_an_address_that_is_none_is_refused_before_anything_is_bound(tmp_path: Path, address: str) -> None:
    doors = Doors()
    with pytest.raises(UsageError, match="HOST:PORT"):
        doors.network(address, key=Key("", ""), keys=tmp_path)
    assert doors.doors == []
    doors.close()


def test_the_network_is_not_listened_on_without_a_client_that_may_come_in(tmp_path: Path) -> None:
    doors = Doors()
    with pytest.raises(NotAllowedError, match="No client key"):
        doors.network("127.0.0.1:0", key=Key("", ""), keys=tmp_path)
    doors.close()


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_nobody_else_may_look_at_the_jobs_of_a_daemon(tmp_path: Path) -> None:
    with alone(tmp_path / "state" / "host" / "daemon.lock"):
        assert (tmp_path / "state" / "host").stat().st_mode & 0o777 == 0o700
