"""How a shot stands: states and flags of its frames, failures, confidence, advice, and the sentence of all this on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from shots import Shot as Painted
from shots import picture, trimap, write_exr
from vmatte import begun, file, land, painted, solve_flat

from bridge.shot.folder import Shot
from bridge.shot.states import FrameState, Standing, standing
from bridge.shot.work import Work
from bridge.wire.codec import decode, encode
from bridge.wire.description import Description
from bridge.wire.errors import ImageError, ShotError, StorageError
from bridge.wire.values import FrameRun


@pytest.fixture
def art(tmp_path: Path) -> Painted:
    return painted(tmp_path / "plates")


@pytest.fixture
def shot(art: Painted, tmp_path: Path) -> Shot:
    return begun(art, tmp_path / "sh.vmatte")


def said(found: Standing) -> str:
    """Write a standing as a word: a letter for each frame, large where it is locked."""
    letters = {f: s.value[1] if s is FrameState.UNSOLVED else s.value[0] for f, s in sorted(found.states.items())}
    letters = {f: "t" if found.states[f] is FrameState.STALE else c for f, c in letters.items()}
    return "".join(c.upper() if f in found.locked else c for f, c in letters.items())


def test_frames_are_unsolved_then_solved_then_stale_where_a_key_changed(shot: Shot, art: Painted) -> None:
    assert said(standing(shot)) == "nnnnnnnnn"
    solve_flat(shot, frames=(1, 2, 3, 4, 5, 6))
    assert said(standing(shot)) == "ssssssnnn"
    solve_flat(shot)
    assert said(standing(shot)) == "sssssssss"
    shot.lock([4])
    shot.set_key_pixels(5, trimap(art.truth[5], band=6))
    assert said(standing(shot)) == "sttTtttts"
    shot.set_keys(art.keys)
    assert said(standing(shot)) == "sssSsssss"
    shot.remove_key(9)
    assert said(standing(shot)) == "sssSstttt"
    write_exr(file(art.plate, 1), picture(art.truth[1], seed=7))
    assert said(standing(shot)) == "tttTstttt"


def test_another_process_and_a_forgotten_memory_see_the_same(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    shot.set_key_pixels(5, trimap(art.truth[5], band=6))
    first = standing(shot)
    assert standing(Shot.open(shot.folder)).states == first.states
    (shot.folder / "digests.json").unlink(missing_ok=True)
    assert standing(Shot.open(shot.folder)).states == first.states


def test_asking_changes_nothing_but_the_memory(shot: Shot) -> None:
    solve_flat(shot)
    before = {p: p.stat().st_mtime_ns for p in shot.folder.rglob("*") if p.is_file() and p.name != "digests.json"}
    standing(shot)
    assert {p: p.stat().st_mtime_ns for p in shot.folder.rglob("*") if p.is_file() and p.name != "digests.json"} == before


def test_runs_join_neighbours_that_stand_alike(shot: Shot) -> None:
    solve_flat(shot, frames=(1, 2, 3, 4))
    shot.lock([7])
    assert standing(shot).runs() == (
        FrameRun(1, 1, "solved", ("key",)),
        FrameRun(2, 2, "solved"),
        FrameRun(3, 3, "solved", ("key",)),
        FrameRun(4, 4, "solved"),
        FrameRun(5, 5, "unsolved", ("key",)),
        FrameRun(6, 6, "unsolved"),
        FrameRun(7, 7, "unsolved", ("key", "locked")),
        FrameRun(8, 8, "unsolved"),
        FrameRun(9, 9, "unsolved", ("key",)),
    )
    assert standing(shot, frames=range(3, 5)).runs() == (FrameRun(3, 3, "solved", ("key",)), FrameRun(4, 4, "solved"))


def test_a_range_on_twos_is_one_run(tmp_path: Path) -> None:
    shot = begun(painted(tmp_path / "plates", frames=11, keys=(1,)), tmp_path / "s.vmatte", frames="3-11x2")
    assert standing(shot).runs() == (FrameRun(3, 11, "unsolved", (), 2),)


def test_a_missing_plate_is_a_flag_and_the_rest_can_still_be_solved(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    file(art.plate, 4).unlink()
    found = standing(shot)
    assert (said(found), found.missing, found.problem) == ("stttttsss", {4}, None)
    assert found.flags(4) == ("plate missing",)
    assert solve_flat(shot, frames=tuple(range(1, 10)))[0] == [2, 3, 5, 6]
    assert said(standing(shot)) == "ssstsssss"


def test_a_failure_is_kept_until_its_inputs_change_or_it_is_solved(shot: Shot, art: Painted) -> None:
    with pytest.raises(ImageError), Work.begin(shot) as work, work.failures_kept():
        raise ImageError("plate.0004.exr is damaged", remedy="Render it again.", frame=4)
    found = standing(Shot.open(shot.folder))
    assert said(found) == "nnnfnnnnn"
    assert (found.failures[4].message, found.failures[4].code) == ("plate.0004.exr is damaged", "input.image")
    write_exr(file(art.plate, 4), picture(art.truth[4], seed=7))
    assert said(standing(shot)) == "nnnnnnnnn"
    with pytest.raises(ImageError), Work.begin(shot) as work, work.failures_kept():
        raise ImageError("again", frame=4)
    solve_flat(shot)
    assert (said(standing(shot)), (shot.folder / "failures.json").read_text()) == ("sssssssss", "{}\n")


def test_a_full_disk_is_no_failure_of_a_frame(shot: Shot) -> None:
    with pytest.raises(StorageError), Work.begin(shot) as work, work.failures_kept():
        raise StorageError("full", frame=4)
    assert not (shot.folder / "failures.json").exists()


def test_a_shot_that_cannot_be_solved_says_why_and_shows_what_it_has(shot: Shot, art: Painted) -> None:
    solve_flat(shot, frames=(1, 2, 3))
    shot.key_path(5).unlink()
    found = standing(shot)
    assert found.problem is not None
    assert (found.problem.code, found.problem.frame, said(found)) == ("input.trimap", 5, "tttnnnnnn")
    for frame in art.frames:
        file(art.plate, frame).unlink()
    found = standing(shot)
    assert (sorted(found.states), found.missing) == ([1, 2, 3, 5, 7, 9], {1, 2, 3, 5, 7, 9})
    empty = standing(Shot.create(shot.folder.parent / "new.vmatte"))
    assert (empty.states, isinstance(empty.problem, ShotError)) == ({}, True)


def test_confidence_comes_from_trimaps_that_are_current_and_leads_to_advice(tmp_path: Path) -> None:
    art = painted(tmp_path / "plates", frames=21, keys=(1, 21))
    shot = begun(art, tmp_path / "s.vmatte")
    assert standing(shot).confidence == {1: 1.0, 21: 1.0}
    with Work.begin(shot) as work:
        land(work, sure=dict.fromkeys(range(8, 15), 0.4))
        work.publish()
    found = standing(shot)
    assert found.confidence == {1: 1.0, **{f: 0.4 if 8 <= f <= 14 else 0.9 for f in range(2, 21)}, 21: 1.0}
    assert found.advice == (11,)
    shot.lock(range(8, 15))
    assert standing(shot).advice == ()
    shot.unlock([10, 11, 12])
    assert standing(shot).advice == (11,)
    shot.unlock(range(8, 15))
    shot.set_key_pixels(11, trimap(art.truth[11]))
    assert (set(standing(shot).confidence), standing(shot).advice) == ({1, 11, 21}, ())


def test_the_wire_says_it_in_one_message(shot: Shot) -> None:
    solve_flat(shot)
    shot.lock([2, 3])
    message = standing(shot).message()
    assert decode(encode(message, request=7)).message == message
    assert (message.range, message.keys, message.locked) == ((1, 9), (1, 3, 5, 7, 9), "2-3")
    assert message.version == str(shot.folder / "alpha" / "v001")
    assert message.description == shot.description
    assert isinstance(message.description, Description)


def test_some_frames_stand_as_they_do_among_all(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    shot.set_key_pixels(5, trimap(art.truth[5], band=6))
    file(art.plate, 9).unlink()
    whole = standing(shot, frames=None)
    for frame in art.frames:
        found = standing(shot, frames=[frame])
        assert (found.states, found.advice, found.problem) == ({frame: whole.states[frame]} if frame < 9 else {}, (), None)
        assert found.confidence == {f: c for f, c in whole.confidence.items() if f == frame}
