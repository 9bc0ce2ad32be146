"""What makes a file stale, file by file: everything its bytes depend on and nothing else, through whole solves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from shots import Shot, disc, make_shot, number, picture, read_exr, trimap, write_exr

from bridge.sequence import Sequence
from bridge.shot.plan import planned
from bridge.shot.profile import PROFILES
from bridge.shot.request import Request
from bridge.solve.run import solve
from bridge.wire.errors import UsageError


def asked(shot: Shot, folder: Path, **choices: object) -> Request:
    files = (Sequence.parse(text) for text in (shot.plate, shot.keys, folder / "matte.####.exr"))
    return replace(Request(*files, device="cpu"), **choices)  # type: ignore[arg-type]


def names(request: Request) -> dict[str, list[str]]:
    """Return the content key of every file of a solve, by kind, without solving."""
    plan = planned(request)
    return {output.name: [output.key(f) for f in plan.wanted] for output in plan.outputs}


def stale(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[int]]:
    """Return the frames, counted from 1, whose file is named otherwise; kinds without any are left out."""
    found = {what: [i for i, (a, b) in enumerate(zip(before[what], after[what], strict=True), 1) if a != b] for what in before}
    return {what: frames for what, frames in found.items() if frames}


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "shot", frames=5, first=1, keys=(1,), width=48, height=32)


@pytest.fixture
def request_(shot: Shot, tmp_path: Path) -> Request:
    out = tmp_path / "out"
    return asked(shot, out, trimap_out=Sequence.parse(out / "trimap.####.exr"), foreground=Sequence.parse(out / "fg.####.exr"))


def plate(shot: Shot, frame: int) -> Path:
    return Path(shot.plate.replace("####", number(frame)))


def with_chromaticities(path: Path, white: float) -> None:
    """Write a plate whose primaries no list knows."""
    spec = oiio.ImageSpec(48, 32, 3, "half")
    spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), (0.6, 0.31, 0.22, 0.61, 0.14, 0.07, white, 0.33))
    out = oiio.ImageOutput.create(str(path))
    assert out is not None
    assert out.open(str(path), spec), out.geterror()
    out.write_image(picture(disc(0, width=48, height=32)))
    out.close()


def test_a_plate_painted_again_under_the_key_makes_its_trimap_file_stale_too(shot: Shot, request_: Request) -> None:
    before = names(request_)
    write_exr(plate(shot, 1), picture(shot.truth[1], seed=77))
    everything = [1, 2, 3, 4, 5]
    assert stale(before, names(request_)) == {"matte": everything, "trimap": everything, "foreground": everything}


def test_the_primaries_that_the_first_frame_names_are_part_of_every_name(shot: Shot, request_: Request) -> None:
    """The key stands on the last frame, so that only the colour transform ties the others to the first."""
    for frame in shot.frames:
        with_chromaticities(plate(shot, frame), 0.32)
    key = Path(shot.keys.replace("####", "0001"))
    key.rename(key.with_name("key.0005.png"))
    before = names(request_)
    with_chromaticities(plate(shot, 1), 0.30)
    assert stale(before, names(request_))["matte"] == [1, 2, 3, 4, 5]


def test_the_numbers_of_a_profile_and_of_the_memory_are_part_of_the_name(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(request_)
    with monkeypatch.context() as patched:
        patched.setattr("bridge.shot.plan.MEMORY_EVERY", 7)
        assert stale(before, names(request_))["trimap"] == [2, 3, 4, 5]
    monkeypatch.setitem(PROFILES, "final", replace(PROFILES["final"], working_side=480))
    assert stale(before, names(request_))["matte"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("choice", "kinds"),
    [
        ({"channels": "a"}, {"matte"}),
        ({"depth": "half"}, {"matte", "foreground"}),
        ({"profile": "draft"}, {"matte", "foreground", "trimap"}),
        ({"colorspace": "acescg"}, {"matte", "foreground", "trimap"}),
        ({"overwrite": True}, set()),
        ({"frames": (1, 2, 3, 4, 5)}, set()),
    ],
)
def test_a_setting_names_the_files_it_changes(request_: Request, choice: dict[str, object], kinds: set[str]) -> None:
    found = stale(names(request_), names(replace(request_, **choice)))  # type: ignore[arg-type]
    assert set(found) == kinds
    assert all(set(frames) >= {2, 3, 4, 5} for frames in found.values())


def test_a_holdout_names_mattes_and_foregrounds_and_a_garbage_matte_only_mattes(request_: Request, tmp_path: Path) -> None:
    for frame in (2, 3):
        write_exr(tmp_path / f"roto.{frame:04d}.exr", np.ones((32, 48), np.float32))
    roto = Sequence.parse(tmp_path / "roto.####.exr")
    before = names(request_)
    assert stale(before, names(replace(request_, garbage=roto))) == {"matte": [2, 3]}
    assert stale(before, names(replace(request_, holdout=roto))) == {"matte": [2, 3], "foreground": [2, 3]}


def test_the_foreground_is_the_plate_where_a_holdout_keeps_it(shot: Shot, request_: Request, tmp_path: Path) -> None:
    holdout = np.zeros((32, 48), np.float32)
    holdout[:, 40:] = 1.0
    for frame in shot.frames:
        write_exr(tmp_path / f"holdout.{frame:04d}.exr", holdout)
    request = replace(request_, holdout=Sequence.parse(tmp_path / "holdout.####.exr"), frames=(1,))
    solve(request, tell=lambda event: None)
    assert request.foreground is not None
    colours, own = read_exr(request.foreground.path(1)), read_exr(plate(shot, 1))
    assert trimap(shot.truth[1])[:, 40:].max() == 0.0
    assert np.array_equal(colours[:, 40:], own[:, 40:])


def test_a_kind_of_file_asked_for_later_leaves_the_others_alone(shot: Shot, request_: Request) -> None:
    first = replace(request_, trimap_out=None, foreground=None)
    solve(first, tell=lambda event: None)
    before = [first.out.path(f).stat().st_mtime_ns for f in shot.frames]
    landed: list[str] = []
    summary = solve(request_, tell=lambda event: landed.extend(p.name for p in getattr(event, "files", ())))
    assert summary.solved == tuple(shot.frames)
    assert [first.out.path(f).stat().st_mtime_ns for f in shot.frames] == before
    assert landed == [f"{kind}.{frame:04d}.exr" for frame in shot.frames for kind in ("trimap", "fg")]
    solve(replace(request_, overwrite=True), tell=lambda event: None)
    assert min(first.out.path(f).stat().st_mtime_ns for f in shot.frames) > max(before)


def test_frames_without_a_garbage_or_holdout_matte_are_told(request_: Request, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for frame in (2, 4):
        write_exr(tmp_path / f"roto.{frame:04d}.exr", np.zeros((32, 48), np.float32))
    understood_by = replace(request_, garbage=Sequence.parse(tmp_path / "roto.####.exr"), frames=(1, 2, 3))
    names(understood_by)
    assert f"the garbage matte {understood_by.garbage} has no frames 1,3" in caplog.text


@pytest.mark.parametrize("kind", ["out", "trimap_out", "foreground"])
def test_nothing_written_joins_the_painted_trimaps(shot: Shot, tmp_path: Path, kind: str) -> None:
    """Under the pattern of the keys it would be a key frame of the next solve, also where no painted one is in its way."""
    Path(shot.keys.replace("####", "0001")).unlink()
    write_exr(tmp_path / "key.0001.exr", trimap(shot.truth[1]))
    keys = Sequence.parse(tmp_path / "key.####.exr")
    request = asked(shot, tmp_path / "out", trimap=keys, frames=(2,))
    with pytest.raises(UsageError, match="has the pattern of the trimap"):
        solve(replace(request, **{kind: Sequence.parse(tmp_path / "." / "key.####.exr")}), tell=lambda event: None)
    assert keys.frames() == (1,)
