"""Versions of a shot: what is published, what stays the same file, what a crash leaves. Solved without a network, on real files."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from shots import Shot as Painted
from shots import picture, read_exr, trimap, write_exr
from vmatte import begun, contents, dead_pid, file, inodes, killed, land, painted, solve_flat

from bridge.shot import versions
from bridge.shot.folder import Shot
from bridge.shot.work import Places, Work
from bridge.wire.description import Description
from bridge.wire.errors import ForeignFileError, StorageError

ALL = list(range(1, 10))


@pytest.fixture
def art(tmp_path: Path) -> Painted:
    return painted(tmp_path / "plates")


@pytest.fixture
def shot(art: Painted, tmp_path: Path) -> Shot:
    return begun(art, tmp_path / "sh.vmatte")


def version(shot: Shot, number: int, kind: str = "alpha") -> Path:
    return shot.folder / kind / f"v{number:03d}"


def new_files(shot: Shot, number: int, kind: str = "alpha") -> list[int]:
    """Return the frames of a version that are not the files of the version before."""
    old, new = inodes(version(shot, number - 1, kind)), inodes(version(shot, number, kind))
    return [int(name.split(".")[1]) for name in new if new[name] != old.get(name)]


def repaint(shot: Shot, art: Painted, frame: int, *, band: int = 6) -> None:
    assert shot.set_key_pixels(frame, trimap(art.truth[frame], band=band))


def test_the_first_solve_is_version_one_and_the_same_again_makes_none(shot: Shot) -> None:
    assert solve_flat(shot) == (ALL, version(shot, 1))
    before = inodes(version(shot, 1))
    assert solve_flat(shot) == ([], None)
    assert inodes(version(shot, 1)) == before
    assert sorted(p.name for p in (shot.folder / "alpha").iterdir()) == ["v001"]


@pytest.mark.parametrize(
    ("edit", "carried", "stale"),
    [
        ("repaint", [4, 5, 6], [2, 3, 4, 5, 6, 7, 8]),
        ("remove", [4, 5, 6], [2, 3, 4, 5, 6, 7, 8]),
        ("add", [8], [6, 7, 8, 9]),
        ("first", [1, 2], [1, 2, 3, 4]),
    ],
)
def test_an_edited_key_of_five_makes_new_exactly_the_frames_between_its_neighbours(
    shot: Shot, art: Painted, edit: str, carried: list[int], stale: list[int]
) -> None:
    """Trimaps between the neighbouring keys, and the mattes that look at them: two frames on."""
    solve_flat(shot)
    trimaps, read = inodes(shot.folder / "trimap"), contents(version(shot, 1))
    if edit == "remove":
        shot.remove_key(5)
    else:
        repaint(shot, art, {"repaint": 5, "add": 8, "first": 1}[edit])
    assert solve_flat(shot, value=0.7)[0] == stale
    assert new_files(shot, 2) == stale
    assert [int(n.split(".")[1]) for n, i in inodes(shot.folder / "trimap").items() if trimaps[n] != i] == carried
    assert contents(version(shot, 1)) == read


def test_a_changed_plate_makes_its_segments_stale(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    write_exr(file(art.plate, 4), picture(art.truth[4], seed=99))
    assert solve_flat(shot)[0] == [2, 3, 4, 5, 6]
    write_exr(file(art.plate, 5), picture(art.truth[5], seed=99))
    assert solve_flat(shot)[0] == [2, 3, 4, 5, 6, 7, 8]


def test_locked_frames_stay_the_same_files(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    shot.lock([4, 5])
    before = {n: i for n, i in inodes(version(shot, 1)).items() if n in ("alpha.0004.exr", "alpha.0005.exr")}
    repaint(shot, art, 5)
    with Work.begin(shot) as work:
        assert (work.todo, work.stale_locked) == ([2, 3, 6, 7, 8], (4, 5))
        land(work, value=0.7)
        work.publish()
    assert new_files(shot, 2) == [2, 3, 6, 7, 8]
    assert before.items() <= inodes(version(shot, 2)).items()
    with Work.begin(shot, overwrite=True) as work:
        assert work.todo == [1, 2, 3, 6, 7, 8, 9]
        land(work, value=0.8)
        work.publish()
    assert before.items() <= inodes(version(shot, 3)).items()
    shot.unlock([4])
    assert solve_flat(shot)[0] == [4]


def test_a_frame_locked_while_it_is_being_solved_keeps_what_it_had(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    repaint(shot, art, 5)
    with Work.begin(shot) as work:
        land(work, value=0.7)
        shot.lock([4, 20])
        work.publish()
    assert new_files(shot, 2) == [2, 3, 5, 6, 7, 8]


def test_a_locked_frame_without_a_result_is_solved_once(shot: Shot) -> None:
    shot.lock([2])
    assert solve_flat(shot)[0] == ALL
    shot.update(Description(channels="y"))
    assert solve_flat(shot)[0] == [f for f in ALL if f != 2]


def test_an_interrupted_solve_is_gone_on_with_and_nothing_is_solved_twice(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    repaint(shot, art, 5)
    with Work.begin(shot) as work:
        land(work, [3, 4], value=0.7)
    assert Places.newest(shot.folder).alpha.folder == version(shot, 1)
    done = {f: Places.pending(shot.folder).alpha.path(f).stat().st_ino for f in (3, 4)}
    with Work.begin(shot) as work:
        assert work.todo == [2, 5, 6, 7, 8]
        land(work, value=0.7)
        assert work.publish() == version(shot, 2)
    assert {f: Places.newest(shot.folder).alpha.path(f).stat().st_ino for f in (3, 4)} == done


def test_an_edit_taken_back_after_an_interruption_leaves_nothing_to_do(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    repaint(shot, art, 5)
    with Work.begin(shot) as work:
        land(work, [3, 4], value=0.7)
    assert shot.set_keys(art.keys) == (5,)
    with Work.begin(shot) as work:
        land(work, [])
        assert (work.todo, work.publish()) == ([], None)
    assert sorted(p.name for p in (shot.folder / "alpha").iterdir()) == ["v001"]


def test_some_frames_solved_now_leave_the_others_as_they_are(shot: Shot, art: Painted) -> None:
    assert solve_flat(shot, frames=(1, 2, 3))[0] == [1, 2, 3]
    assert list(contents(version(shot, 1))) == ["alpha.0001.exr", "alpha.0002.exr", "alpha.0003.exr"]
    assert solve_flat(shot)[0] == [4, 5, 6, 7, 8, 9]
    assert new_files(shot, 2) == [4, 5, 6, 7, 8, 9]
    shot.update(Description(frames="4-6"))
    repaint(shot, art, 5)
    assert solve_flat(shot)[0] == [4, 5, 6]
    assert len(contents(version(shot, 3))) == 9


def test_the_foreground_has_versions_beside_the_alpha(shot: Shot, art: Painted) -> None:
    solve_flat(shot)
    shot.update(Description(foreground="shot"))
    assert solve_flat(shot)[0] == ALL
    assert (len(contents(version(shot, 2, "foreground"))), new_files(shot, 2)) == (9, ALL)
    repaint(shot, art, 5)
    solve_flat(shot)
    assert new_files(shot, 3, "foreground") == [2, 3, 4, 5, 6, 7, 8]
    shot.update(Description(foreground=""))
    repaint(shot, art, 9)
    assert solve_flat(shot)[1] == version(shot, 4)
    assert not version(shot, 4, "foreground").exists()
    shot.update(Description(foreground="shot"))
    assert solve_flat(shot)[0] == [6, 7, 8, 9]
    assert len(contents(version(shot, 5, "foreground"))) == 9


def test_without_hard_links_unchanged_frames_are_copies(shot: Shot, art: Painted, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    solve_flat(shot)
    assert solve_flat(shot) == ([], None)
    shot.lock([4])
    repaint(shot, art, 5)
    assert solve_flat(shot, value=0.7)[0] == [2, 3, 5, 6, 7, 8]
    old, new = contents(version(shot, 1)), contents(version(shot, 2))
    assert [int(n.split(".")[1]) for n in new if new[n] != old[n]] == [2, 3, 5, 6, 7, 8]
    assert new_files(shot, 2) == ALL


def test_a_full_disk_while_linking_is_said_and_nothing_is_published(shot: Shot, art: Painted, monkeypatch: pytest.MonkeyPatch) -> None:
    solve_flat(shot)
    repaint(shot, art, 5)
    real, links = os.link, []

    def fills(source: object, target: object, **named: object) -> None:
        if "alpha" in str(target):
            links.append(target)
            if len(links) > 4:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", fills)
        with pytest.raises(StorageError, match="could not be written: No space left"):
            Work.begin(shot)
    assert Places.newest(shot.folder).alpha.folder == version(shot, 1)
    assert not (shot.folder / "solve.claim").exists()
    assert solve_flat(shot)[0] == [2, 3, 4, 5, 6, 7, 8]


def test_a_file_that_somebody_put_there_is_kept_or_an_error(shot: Shot) -> None:
    solve_flat(shot)
    by_hand = version(shot, 1) / "alpha.0004.exr"
    by_hand.unlink()
    write_exr(by_hand, picture(read_exr(version(shot, 1) / "alpha.0003.exr")[..., 0]))
    with pytest.raises(ForeignFileError, match=r"alpha\.0004\.exr") as raised:
        solve_flat(shot)
    assert "shot lock" in raised.value.remedy
    shot.lock([4])
    shot.update(Description(channels="y"))
    solve_flat(shot)
    assert os.path.samefile(by_hand, version(shot, 2) / "alpha.0004.exr")


def test_old_versions_go_when_asked_and_the_newest_stays(shot: Shot, art: Painted) -> None:
    for band in (6, 7, 8, 9):
        repaint(shot, art, 5, band=band)
        solve_flat(shot)
    newest = contents(version(shot, 4))
    assert versions.prune(shot.folder, keep=2) == [1, 2]
    assert versions.prune(shot.folder, keep=0) == [3]
    assert contents(version(shot, 4)) == newest
    assert [p.name for p in (shot.folder / "alpha").iterdir()] == ["v004"]


@pytest.mark.parametrize("foreground", ["", "shot"])
def test_a_solve_killed_at_any_write_ends_in_the_same_files(art: Painted, tmp_path: Path, foreground: str) -> None:
    """Readers see version 1 whole or version 2 whole, and what was finished is not solved again."""
    template = begun(painted(tmp_path / "short", frames=5, keys=(1, 3, 5)), tmp_path / "template.vmatte", foreground=foreground)
    solve_flat(template)
    repaint(template, art, 5)
    reference = Shot(tmp_path / "reference.vmatte")
    shutil.copytree(template.folder, reference.folder)
    solve_flat(reference, value=0.7)
    first, second = contents(version(reference, 1)), contents(version(reference, 2))
    pid, at, tried = dead_pid(), 0, 0
    while True:
        shot = Shot(tmp_path / f"{at}.vmatte")
        shutil.copytree(template.folder, shot.folder)
        with killed(at, pid=pid) as killer:
            solve_flat(shot, value=0.7)
        if killer.count <= at:
            break
        assert contents(version(shot, 1)) == first
        assert not version(shot, 2).exists() or contents(version(shot, 2)) == second
        Shot.open(shot.folder)
        solve_flat(shot, value=0.7)
        assert contents(version(shot, 2)) == second
        assert contents(version(shot, 2, "foreground")) == contents(version(reference, 2, "foreground")) if foreground else True
        assert sorted(p.name for p in (shot.folder / "alpha").iterdir() if not p.name.startswith(".")) == ["v001", "v002"]
        shutil.rmtree(shot.folder)
        at, tried = at + 2, tried + 1
    assert tried > 15
