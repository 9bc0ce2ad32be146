"""Shot folders through whole solves with the networks, and through the command line."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Videomatte, ended, started
from shots import Shot as Painted
from shots import trimap, write_png
from vmatte import begun, contents, file, inodes, painted

from bridge.shot.folder import Shot
from bridge.shot.states import FrameState, standing
from bridge.solve.events import Advanced, Event, Landed
from bridge.solve.shot import solve_shot
from bridge.wire.errors import ImageError, InterruptedByUserError


@dataclass(frozen=True)
class Solved:
    """A tree with plates and a solved shot folder in it."""

    folder: Path

    @property
    def shot(self) -> Shot:
        return Shot.open(self.folder / "sh 01.vmatte")

    @property
    def art(self) -> Painted:
        return Painted(
            self.folder / "plates", str(self.folder / "plates/plate.####.exr"), str(self.folder / "plates/keys/key.####.png"), {}
        )

    def version(self, number: int) -> Path:
        return self.shot.folder / "alpha" / f"v{number:03d}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Solved, Painted]:
    """Nine frames with five keys, solved once."""
    folder = tmp_path_factory.mktemp("template")
    art = painted(folder / "plates")
    solve_shot(begun(art, folder / "sh 01.vmatte"), tell=ignored, device="cpu")
    return Solved(folder), art


@pytest.fixture
def solved(template: tuple[Solved, Painted], tmp_path: Path) -> Solved:
    """A copy of the solved tree."""
    shutil.copytree(template[0].folder, tmp_path / "tree")
    return Solved(tmp_path / "tree")


def ignored(_event: Event) -> None:
    """Hear nothing."""


def frames_of(files: dict[str, int], before: dict[str, int]) -> list[int]:
    return [int(name.split(".")[1]) for name in files if files[name] != before.get(name)]


def test_a_solved_shot_that_was_moved_is_current_and_nothing_is_solved_again(solved: Solved) -> None:
    assert set(standing(solved.shot).states.values()) == {FrameState.SOLVED}
    done = solve_shot(solved.shot, tell=ignored, device="cpu")
    assert (done.summary.solved, done.summary.kept, done.version) == ((), tuple(range(1, 10)), None)


def test_one_of_five_keys_costs_its_own_frames_and_a_lock_holds(solved: Solved, template: tuple[Solved, Painted]) -> None:
    """And solved in one go in a new folder the bytes are the same."""
    truth, shot = template[1].truth, solved.shot
    before, trimaps, first = inodes(solved.version(1)), inodes(shot.folder / "trimap"), contents(solved.version(1))
    shot.lock([4])
    write_png(file(solved.art.keys, 5), trimap(truth[5], band=5))
    assert shot.set_keys(solved.art.keys) == (5,)
    told: list[Event] = []
    done = solve_shot(shot, tell=told.append, device="cpu")
    assert (done.version, done.stale_locked) == (solved.version(2), (4,))
    assert [e.frame for e in told if isinstance(e, Landed)] == [2, 3, 5, 6, 7, 8]
    assert frames_of(inodes(solved.version(2)), before) == [2, 3, 5, 6, 7, 8]
    assert frames_of(inodes(shot.folder / "trimap"), trimaps) == [4, 5, 6]
    assert contents(solved.version(1)) == first
    again = contents(solved.version(2))
    assert [n for n in again if again[n] != first[n]] == [f"alpha.{f:04d}.exr" for f in (2, 3, 5, 6, 7, 8)]
    shot.unlock([4])
    assert solve_shot(shot, tell=ignored, device="cpu").summary.solved == (4,)
    anew = begun(solved.art, solved.folder / "anew.vmatte")
    for part in ((6, 7, 8), (1, 2, 3, 4, 5), None):
        solve_shot(anew, tell=ignored, frames=part, device="cpu")
    assert contents(anew.folder / "alpha" / "v003") == contents(solved.version(3))
    assert contents(anew.folder / "trimap") == contents(shot.folder / "trimap")


def test_an_interrupted_solve_is_gone_on_with(solved: Solved, template: tuple[Solved, Painted]) -> None:
    anew, landed = begun(solved.art, solved.folder / "anew.vmatte"), []

    def stop_after_three(event: Event) -> None:
        if isinstance(event, Landed):
            landed.append(event.frame)
        if len(landed) == 3:
            raise InterruptedByUserError("enough")

    with pytest.raises(InterruptedByUserError):
        solve_shot(anew, tell=stop_after_three, device="cpu")
    assert not (anew.folder / "alpha" / "v001").exists()
    told: list[Event] = []
    solve_shot(anew, tell=told.append, device="cpu")
    assert sorted(landed + [e.frame for e in told if isinstance(e, Landed)]) == list(range(1, 10))
    assert not any(isinstance(e, Advanced) and e.stage == "propagate" for e in told)
    assert contents(anew.folder / "alpha" / "v001") == contents(solved.version(1))


def test_a_process_killed_in_the_middle_costs_the_frame_it_was_at(solved: Solved, tmp_path: Path) -> None:
    """Its claim is nobody's, and what it finished is not solved again."""
    shot = begun(solved.art, tmp_path / "s.vmatte")
    pending = shot.folder / "alpha" / "pending"
    process = started("solve", "--shot", shot.folder, "--device", "cpu", scratch=tmp_path / "scratch")
    while process.poll() is None and len(list(pending.glob("alpha.*"))) < 2:
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=60)
    assert (process.returncode, (shot.folder / "solve.claim").exists()) == (-9, True)
    finished = [int(p.name.split(".")[1]) for p in sorted(pending.glob("alpha.*"))]
    done = solve_shot(Shot.open(shot.folder), tell=ignored, device="cpu")
    assert (done.summary.kept, len(finished) >= 2) == (tuple(finished), True)
    assert contents(shot.folder / "alpha" / "v001") == contents(solved.version(1))


def test_a_damaged_plate_is_a_failed_frame_until_it_is_rendered_again(solved: Solved) -> None:
    plate = file(solved.art.plate, 4)
    whole = plate.read_bytes()
    plate.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError):
        solve_shot(solved.shot, tell=ignored, device="cpu")
    found = standing(solved.shot)
    assert [f for f, s in found.states.items() if s is FrameState.FAILED] == [4]
    assert "plate.0004.exr" in found.failures[4].message
    plate.write_bytes(whole)
    assert set(standing(solved.shot).states.values()) == {FrameState.SOLVED}


def test_the_command_line_begins_shows_edits_and_solves_a_shot(
    solved: Solved, template: tuple[Solved, Painted], videomatte: Videomatte, tmp_path: Path
) -> None:
    folder, art = tmp_path / "né w.vmatte", solved.art
    ran = videomatte("solve", art.plate, "--trimap", art.keys, "--shot", folder, "--frames", "1-2", "--device", "cpu", "--json")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.status, told[-1]["event"], told[-1]["solved"], told[-1]["version"]) == (0, "done", [1, 2], str(folder / "alpha" / "v001"))
    assert told[-1]["files"]["matte"] == str(folder / "alpha" / "v001" / "alpha.####.exr")
    assert contents(folder / "alpha" / "v001").items() <= contents(solved.version(1)).items()
    assert videomatte("shot", "lock", folder, "2-3").out == "Locked: 2-3\n"
    assert videomatte("shot", "keys", folder, "--remove", "9", "--set", "8", file(art.keys, 7)).status == 0
    ran = videomatte("shot", "status", folder)
    assert ran.out.startswith("né w.vmatte: 1-9, version v001\n")
    assert "solved     locked" in ran.out
    ran = videomatte("shot", "status", folder, "--json")
    state = json.loads(ran.out)
    assert (state["keys"], state["locked"], state["problem"], state["failures"]) == ([1, 3, 5, 7, 8], "2-3", None, {})
    assert state["frames"][1] == {"first": 2, "last": 2, "state": "solved", "flags": ["locked"], "step": 1}
    assert videomatte("shot", "unlock", folder, "2-3").out == "Locked: nothing\n"
    ran = videomatte(
        "solve", "--shot", folder, "--trimap", art.keys, "--replace-keys", "--frames", "1-2", "--channels", "y", "--device", "cpu"
    )
    assert (ran.status, sorted(Shot.open(folder).keys)) == (0, [1, 3, 5, 7, 9])
    assert "2 frames solved" in ran.out
    ran = videomatte("solve", "--shot", folder, "--frames", "1-2", "--device", "cpu")
    assert "Nothing to do: 2 frames up to date" in ran.out
    assert Shot.open(folder).description.channels == "y"
    assert videomatte("shot", "prune", folder, "--keep", "1").out == "Removed: v001\n"


def test_a_shot_that_is_begun_is_not_solved_and_can_be_as_if_solve_had_begun_it(
    solved: Solved, videomatte: Videomatte, tmp_path: Path
) -> None:
    folder, art = tmp_path / "né w.vmatte", solved.art
    ran = videomatte("shot", "begin", folder, art.plate, "--trimap", art.keys, "--depth", "half")
    assert (ran.status, ran.out) == (0, f"Keys: 1-9x2. Solve it: videomatte solve --shot '{folder}'\n")
    begun_there = Shot.open(folder)
    assert (begun_there.description.depth, set(standing(begun_there).states.values())) == ("half", {FrameState.UNSOLVED})
    assert not list((folder / "trimap").glob("*"))
    assert videomatte("shot", "begin", folder, "--depth", "float").status == 0
    assert videomatte("solve", "--shot", folder, "--frames", "1-2", "--device", "cpu").status == 0
    assert contents(folder / "alpha" / "v001").items() <= contents(solved.version(1)).items()


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        (["solve", "--shot", "{tree}/none.vmatte"], 2, "no plate to begin it with"),
        (["solve", "--shot", "{tree}/sh 01.vmatte", "--out", "x/"], 2, "its own place for --out"),
        (["solve", "--shot", "{tree}/sh 01.vmatte", "--foreground", "fg.####.exr"], 2, "its own place for --foreground"),
        (["solve", "--shot", "{tree}/sh 01.vmatte", "--replace-keys"], 2, "required: --trimap"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--foreground"], 2, "--foreground needs a PATTERN"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--replace-keys"], 2, "--replace-keys needs a shot folder"),
        (["solve", "{tree}/none.####.exr", "--trimap", "k", "--shot", "{tree}/none.vmatte"], 3, "no file matches"),
        (["solve", "{tree}/plates/plate.####.exr", "--shot", "{tree}/keyless.vmatte"], 3, "no key frame yet"),
        (["solve", "--shot", "{tree}"], 2, "no plate to begin"),
        (["shot", "begin", "{tree}"], 2, "no plate to begin"),
        (["shot", "begin", "{tree}/none.vmatte", "{tree}/none.####.exr"], 3, "no file matches"),
        (["solve", "--shot", "{tree}/sh 01.vmatte", "--frames", "50"], 3, "none of --frames exists"),
        (["shot", "status", "{tree}"], 3, "is no shot folder"),
        (["shot", "keys", "{tree}/sh 01.vmatte", "--set", "x", "y"], 2, "'x' is no frame number"),
        (["shot", "keys", "{tree}/sh 01.vmatte", "--set", "99", "y"], 3, "no frame 99"),
        (["shot", "keys", "{tree}/sh 01.vmatte", "--remove", "2"], 3, "has no key"),
        (["shot", "lock", "{tree}/sh 01.vmatte", "9-1"], 2, "runs backwards"),
        (["shot", "prune", "{tree}/sh 01.vmatte", "--keep", "0"], 2, "would remove every version"),
        (["shot"], 2, "VERB"),
    ],
)
def test_what_cannot_be_done_is_said(
    template: tuple[Solved, Painted], videomatte: Videomatte, typed: list[str], status: int, said: str
) -> None:
    ran = videomatte(*(word.format(tree=template[0].folder) for word in typed))
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err


def test_a_disk_that_fills_up_leaves_a_shot_to_go_on_with(tmp_path: Path) -> None:
    """Trimaps, keys and what the shot knows are small; the first alpha does not fit any more."""
    art = painted(tmp_path / "plates", frames=4, keys=(1,))
    shot, roomy = begun(art, tmp_path / "s.vmatte"), begun(art, tmp_path / "roomy.vmatte")
    solve_shot(roomy, tell=ignored, device="cpu")
    biggest = max(p.stat().st_size for p in (roomy.folder / "trimap").iterdir())
    smallest = min(p.stat().st_size for p in (roomy.folder / "alpha" / "v001").iterdir())
    assert biggest < smallest
    typed = ("solve", "--shot", shot.folder, "--device", "cpu")
    ran = ended(started(*typed, scratch=tmp_path / "scratch", most_bytes=(biggest + smallest) // 2))
    assert (ran.status, "could not be written" in ran.err) == (4, True)
    assert os.listdir(shot.folder / "alpha") == ["pending"]
    assert not [p for p in shot.folder.rglob("*") if p.name.endswith((".tmp", ".claim", ".lock"))]
    assert solve_shot(Shot.open(shot.folder), tell=ignored, device="cpu").summary.solved == (1, 2, 3, 4)
    assert contents(shot.folder / "alpha" / "v001") == contents(roomy.folder / "alpha" / "v001")
