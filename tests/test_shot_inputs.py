"""Files that change while a shot is at work: what is read of them is what they were named by, or nothing of it lands."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from shots import Shot as Painted
from shots import picture, trimap, write_exr, write_png
from vmatte import begun, contents, file, painted

from bridge import exr
from bridge.sequence import Sequence
from bridge.shot import failures
from bridge.shot import inputs as named
from bridge.shot.content import file_digest
from bridge.shot.folder import Shot
from bridge.shot.inputs import Inputs
from bridge.shot.plan import Plan
from bridge.shot.plan import planned as plan_from
from bridge.shot.request import request_of
from bridge.shot.states import FrameState, standing
from bridge.shot.work import Places, plan_of, request_for
from bridge.solve.engine import engine_for
from bridge.solve.events import Began, Event
from bridge.solve.preview import preview
from bridge.solve.shot import solve_shot
from bridge.solve.weights import load_networks
from bridge.wire.description import Description
from bridge.wire.errors import ShotError


@pytest.fixture
def art(tmp_path: Path) -> Painted:
    return painted(tmp_path / "plates", frames=4, keys=(1, 4))


@pytest.fixture
def shot(art: Painted, tmp_path: Path) -> Shot:
    return begun(art, tmp_path / "s.vmatte")


def planned(shot: Shot) -> Plan:
    return plan_of(shot, request_for(shot, into=Places.newest(shot.folder)))


def replaced(path: Path, data: bytes) -> None:
    """Give a file other bytes in one step, as a program does that renames."""
    aside = path.with_name("aside")
    aside.write_bytes(data)
    os.replace(aside, path)


def read_between(path: Path, *before: bytes) -> Callable[[], bytes]:
    """Return a reading during which a file gets other bytes, each time the next; then it reads what is there."""
    left = list(before)

    def reading() -> bytes:
        found = path.read_bytes()
        if left:
            replaced(path, left.pop(0))
        return found

    return reading


def test_an_untouched_file_is_read_once_and_named_once(tmp_path: Path) -> None:
    path, seen = tmp_path / "a", []
    path.write_bytes(b"A")

    def digest(path: Path, *, frame: int | None = None) -> str:
        seen.append(frame)
        return file_digest(path, frame=frame)

    inputs = Inputs(digest)
    assert inputs(path, frame=7) == inputs.find(path) == file_digest(path)
    assert inputs.read(path, path.read_bytes, frame=7) == b"A"
    assert seen == [7]


def test_a_file_that_is_another_now_keeps_its_name_and_is_not_read(tmp_path: Path) -> None:
    path, inputs = tmp_path / "a", Inputs()
    path.write_bytes(b"A")
    name = inputs(path)
    replaced(path, b"B")
    assert inputs(path) == name
    with pytest.raises(ShotError, match="a was changed while it was in use"):
        inputs.read(path, path.read_bytes)


def test_a_file_changed_and_changed_back_is_read_as_it_was_named(tmp_path: Path) -> None:
    path, inputs = tmp_path / "a", Inputs()
    path.write_bytes(b"A")
    inputs(path)
    replaced(path, b"B")
    assert inputs.read(path, read_between(path, b"A")) == b"A"
    with pytest.raises(ShotError):
        inputs.read(path, read_between(path, b"B", b"A", b"B", b"A"))


def test_a_file_that_changes_again_while_it_is_read_again_is_not_read(tmp_path: Path) -> None:
    path, inputs = tmp_path / "a", Inputs()
    path.write_bytes(b"A")
    inputs(path)
    replaced(path, b"B")
    with pytest.raises(ShotError):
        inputs.read(path, read_between(path, b"A", b"B"))


def test_a_disk_that_tells_of_every_file_that_it_was_touched_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, inputs, looks = tmp_path / "a", Inputs(), count()
    path.write_bytes(b"A")
    monkeypatch.setattr(named, "identity", lambda _: [next(looks)])
    inputs(path)
    assert [inputs.read(path, path.read_bytes) for _ in range(3)] == [b"A"] * 3
    path.write_bytes(b"B")
    with pytest.raises(ShotError):
        inputs.read(path, path.read_bytes)


def test_a_file_that_came_later_is_not_read_and_one_without_a_name_is_read_as_it_is(tmp_path: Path) -> None:
    path, inputs = tmp_path / "a", Inputs()
    assert inputs.find(path) is None
    path.write_bytes(b"A")
    assert inputs.find(path) is None
    with pytest.raises(ShotError):
        inputs.read(path, path.read_bytes)
    assert Inputs().read(path, read_between(path, b"B")) == b"A"


def test_a_plan_reads_no_other_key_and_no_other_plate_than_it_names(shot: Shot, art: Painted) -> None:
    plan = planned(shot)
    plan.outputs[0].key(2)
    whole, own = plan.plates.read(2).rgb.copy(), file(art.plate, 2).read_bytes()
    write_exr(file(art.plate, 2), picture(art.truth[2], seed=99))
    for read in (plan.plates.read, plan.plates.header):
        with pytest.raises(ShotError, match=r"plate\.0002\.exr"):
            read(2)
    file(art.plate, 2).write_bytes(own)
    assert np.array_equal(plan.plates.read(2).rgb, whole)
    classes = plan.key_classes(4).copy()
    write_png(file(art.keys, 4), trimap(art.truth[4], band=5))
    assert shot.set_keys(art.keys) == (4,)
    with pytest.raises(ShotError, match=r"key\.0004\.exr"):
        plan.key_classes(4)
    assert not np.array_equal(planned(shot).key_classes(4), classes)


def test_a_plate_that_changes_before_anybody_named_it_is_named_by_what_was_read(shot: Shot, art: Painted) -> None:
    plan, first = planned(shot), file_digest(file(art.plate, 3))
    plan.plates.read(3)
    write_exr(file(art.plate, 3), picture(art.truth[3], seed=99))
    assert plan.plates.digest(3) == first


def test_a_preview_reads_plates_without_naming_them(art: Painted, tmp_path: Path) -> None:
    seen: list[Path] = []

    def digest(path: Path, *, frame: int | None = None) -> str:
        seen.append(path)
        return file_digest(path, frame=frame)

    shown = Description(plate=art.plate, trimap=art.keys, out=str(tmp_path / "a.####.exr"))
    plan = plan_from(request_of(shown), inputs=Inputs(digest))
    seen.clear()
    preview(plan, 2, profile=plan.profile, engine=engine_for("cpu"), networks=load_networks(torch.device("cpu")))
    assert seen == []
    plan.plates.read(2)
    assert seen == [file(art.plate, 2)]


def test_a_garbage_matte_that_came_after_a_frame_was_named_does_not_shape_it(shot: Shot, art: Painted, tmp_path: Path) -> None:
    garbage = Sequence.parse(tmp_path / "garbage.####.exr")
    write_exr(garbage.path(1), np.ones((32, 48), np.float32))
    shot.update_place(garbage=str(garbage))
    plan = planned(shot)
    before = plan.outputs[0].key(2)
    write_exr(garbage.path(2), np.ones((32, 48), np.float32))
    assert plan.plates.inputs.find(garbage.path(2)) is None
    assert (plan.outputs[0].key(2), planned(shot).outputs[0].key(2) == before) == (before, False)


def test_a_painted_trimap_that_changes_while_it_is_copied_is_not_known_as_the_key_it_is_not(
    shot: Shot, art: Painted, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, swapped = file(art.keys, 4), exr.read_channel, []
    first = shot.keys[4]
    write_png(path, trimap(art.truth[4], band=5))

    def read_late(of: Path, **named: object) -> exr.Channel:
        if of == path and not swapped:
            swapped.append(of)
            write_png(path, trimap(art.truth[4], band=7))
        return real(of, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(exr, "read_channel", read_late)
    with pytest.raises(ShotError, match=r"key\.0004\.png was changed"):
        shot.set_key(4, path)
    assert shot.keys[4] == first
    assert shot.set_key(4, path)


def test_a_plate_changed_under_a_solve_and_changed_back_leaves_nothing_wrong_that_counts(shot: Shot, art: Painted) -> None:
    solve_shot(shot, tell=ignored, device="cpu")
    first, plate = contents(shot.folder / "alpha" / "v001"), file(art.plate, 3)
    own = plate.read_bytes()

    def change(event: Event) -> None:
        if isinstance(event, Began):
            write_exr(plate, picture(art.truth[3], seed=99))

    with pytest.raises(ShotError, match=r"plate\.0003\.exr was changed"):
        solve_shot(shot, tell=change, device="cpu", overwrite=True)
    assert (failures.read(shot.folder), (shot.folder / "solve.claim").exists()) == ({}, False)
    plate.write_bytes(own)
    assert set(standing(shot).states.values()) == {FrameState.SOLVED}
    solve_shot(shot, tell=ignored, device="cpu")
    assert contents(Places.newest(shot.folder).alpha.folder) == first


def ignored(_event: Event) -> None:
    """Hear nothing."""
