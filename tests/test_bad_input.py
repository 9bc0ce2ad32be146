"""Bad input: an exit status, a sentence that names what is wrong and what to do, and nothing half-written, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from conftest import Ran, Videomatte, ended, started
from shots import Shot, disc, make_shot, picture, read_exr, trimap, write_exr, write_png

from bridge import exr

DATA = Path(os.environ.get("VIDEOMATTE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "exr"
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def solve(shot: Shot, *more: object, out: object = None) -> list[object]:
    return ["solve", shot.plate, "--trimap", shot.keys, "--out", out or shot.folder / "out" / "m.####.exr", *more]


def plate(shot: Shot, frame: int) -> Path:
    return Path(shot.plate.replace("####", str(frame)))


def key(shot: Shot, frame: int = 1001) -> Path:
    return Path(shot.keys.replace("####", str(frame)))


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def leftovers(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.name.startswith(".videomatte~") or p.suffix == ".tmp"]


def refused(ran: Ran, status: int, *said: object) -> None:
    """Check the exit status, that everything in `said` is said on stderr, and that a remedy stands below."""
    assert ran.status == status, ran.said
    for words in said:
        assert str(words) in ran.err
    assert ran.err.splitlines()[-1].startswith("  "), "no remedy"


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path, frames=2)


def test_no_trimap_at_all(shot: Shot, videomatte: Videomatte) -> None:
    refused(videomatte("solve", shot.plate, "--out", shot.folder / "m.####.exr"), 2, "--trimap")
    key(shot).unlink()
    refused(videomatte(*solve(shot)), 3, f"no file matches {shot.keys}")
    shutil.rmtree(key(shot).parent)
    refused(videomatte(*solve(shot)), 3, f"the folder {key(shot).parent} does not exist")
    assert not (shot.folder / "out").exists()


def test_a_trimap_whose_frame_has_no_plate(shot: Shot, videomatte: Videomatte) -> None:
    key(shot).rename(key(shot, 2001))
    refused(videomatte(*solve(shot)), 3, shot.keys, "2001", "1001-1002")


def test_a_trimap_of_another_size_names_both_sizes(shot: Shot, videomatte: Videomatte) -> None:
    write_png(key(shot), np.full((32, 48), 0.5, np.float32))
    refused(videomatte(*solve(shot)), 3, key(shot), "48×32", "96×64")
    assert not (shot.folder / "out").exists()


@pytest.mark.parametrize(("value", "said"), [(0.5, "everything is unknown"), (0.0, "nothing is unknown"), (1.0, "nothing is unknown")])
def test_a_trimap_of_one_value_gives_a_finite_alpha_and_a_warning(shot: Shot, videomatte: Videomatte, value: float, said: str) -> None:
    write_png(key(shot), np.full((64, 96), value, np.float32))
    ran = videomatte(*solve(shot, "--frames", "1001"))
    assert ran.status == 0, ran.err
    assert ran.err.count(said) == 1
    alpha = read_exr(shot.folder / "out" / "m.1001.exr")
    assert np.isfinite(alpha).all()
    assert 0 <= alpha.min() <= alpha.max() <= 1
    if value != 0.5:
        assert alpha.min() == alpha.max() == value


def test_a_trimap_without_foreground_gives_a_finite_alpha(shot: Shot, videomatte: Videomatte) -> None:
    write_png(key(shot), np.minimum(trimap(shot.truth[1001]), 0.5))
    ran = videomatte(*solve(shot, "--frames", "1001"))
    assert ran.status == 0, ran.err
    assert "nothing is foreground" in ran.err
    assert np.isfinite(read_exr(shot.folder / "out" / "m.1001.exr")).all()


def test_missing_plate_frames_are_listed_and_what_exists_can_be_solved(tmp_path: Path, videomatte: Videomatte) -> None:
    shot = make_shot(tmp_path, frames=8)
    for frame in (1002, 1003, 1004, 1006, 1007):
        plate(shot, frame).unlink()
    refused(videomatte(*solve(shot)), 3, "5 frames are missing: 1002-1004,1006-1007", "--frames 1001-1008")
    assert not (tmp_path / "out").exists()
    ran = videomatte(*solve(shot, "--frames", "1001-1008"))
    assert ran.status == 0, ran.err
    assert "missing: 1002-1004,1006-1007" in ran.err
    assert files(tmp_path / "out") == ["m.1001.exr", "m.1005.exr", "m.1008.exr"]


def test_frames_of_which_none_exists(shot: Shot, videomatte: Videomatte) -> None:
    refused(videomatte(*solve(shot, "--frames", "1-3")), 3, shot.plate, "1-3")


def test_a_plate_that_is_not_there_names_what_is(shot: Shot, videomatte: Videomatte) -> None:
    ran = videomatte("solve", shot.folder / "plat.####.exr", "--trimap", shot.keys, "--out", shot.folder / "m.####.exr")
    refused(ran, 3, "plat.####.exr", "the folder holds plate.####.exr 1001-1002")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text_instead(path: Path) -> None:
    path.write_text("no image")


def deep(path: Path) -> None:
    spec = oiio.ImageSpec(96, 64, 4, oiio.FLOAT)
    spec.channelnames, spec.deep = ("R", "G", "B", "A"), True
    data = oiio.DeepData()
    data.init(spec)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_deep_image(data)
    out.close()


def in_channels_without_colour(path: Path) -> None:
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": np.ones((64, 96), np.float32)}).write(str(path))


@pytest.mark.parametrize("spoil", [cut_off, flip_bytes, empty, text_instead, deep, in_channels_without_colour])
@pytest.mark.parametrize("frame", [1001, 1002])
def test_a_plate_that_cannot_be_used_is_named(shot: Shot, videomatte: Videomatte, spoil: object, frame: int) -> None:
    spoil(plate(shot, frame))
    refused(videomatte(*solve(shot)), 3, plate(shot, frame))
    assert f"m.{frame}.exr" not in files(shot.folder / "out")
    assert leftovers(shot.folder) == []


@pytest.mark.parametrize("spoil", [cut_off, empty, text_instead])
def test_a_trimap_that_cannot_be_read_is_named(shot: Shot, videomatte: Videomatte, spoil: object) -> None:
    spoil(key(shot))
    refused(videomatte(*solve(shot)), 3, key(shot))
    assert not (shot.folder / "out").exists()


def test_a_damaged_result_of_ours_is_foreign_and_kept(shot: Shot, videomatte: Videomatte) -> None:
    assert videomatte(*solve(shot, "--frames", "1001")).status == 0
    result = shot.folder / "out" / "m.1001.exr"
    empty(result)
    refused(videomatte(*solve(shot, "--frames", "1001")), 3, result, "--overwrite")
    assert result.stat().st_size == 0


@pytest.mark.parametrize("option", ["--layer", "--view", "--trimap-channel", "--colorspace"])
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(shot: Shot, videomatte: Videomatte, option: str) -> None:
    refused(videomatte(*solve(shot, option, "nowhere")), 3, "nowhere")


def test_a_device_that_is_not_there(shot: Shot, videomatte: Videomatte) -> None:
    refused(videomatte(*solve(shot, "--device", "cuda:63")), 4, "cuda:63", "videomatte doctor")


def test_a_file_in_the_way_of_the_folder(shot: Shot, videomatte: Videomatte) -> None:
    (shot.folder / "out").write_text("in the way")
    refused(videomatte(*solve(shot)), 4, shot.folder / "out")
    assert (shot.folder / "out").read_text() == "in the way"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(shot: Shot, videomatte: Videomatte) -> None:
    (shot.folder / "out").mkdir(mode=0o500)
    refused(videomatte(*solve(shot)), 4, shot.folder / "out", "permission")


@POSIX
def test_a_file_too_large_for_the_disk_is_an_error_and_no_file(shot: Shot) -> None:
    scratch = shot.folder / "scratch"
    ran = ended(started(*solve(shot), scratch=scratch, most_bytes=1500))
    refused(ran, 4, shot.folder / "out" / "m.1001.exr", "disk")
    assert files(shot.folder / "out") == []
    assert files(scratch) == []


@POSIX
def test_a_full_disk_is_an_error_and_no_file(shot: Shot) -> None:
    disk = shot.folder / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=$(($(getconf PAGESIZE) * 2)) tmpfs "$1"'
    script = f'{mount} || exit 99; shift; "$@"; status=$?; ls -A "$0" >&2; exit $status'
    command = [sys.executable, "-m", "bridge.cli", *map(str, solve(shot, out=disk / "m.####.exr"))]
    try:
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script, disk, disk, *command], capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("needs unshare to mount a small disk")
    if done.returncode in (1, 99) and "videomatte" not in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()[:100]}")
    *said, left = done.stderr.rstrip().splitlines()
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert f"{disk / 'm.1002.exr'} could not be written: the disk is full." in said[-2]
    assert said[-1] == "  Free some space, or write to another disk."
    assert left == "m.1001.exr"


def test_an_output_pattern_equal_to_the_plate_pattern(shot: Shot, videomatte: Videomatte) -> None:
    before = plate(shot, 1001).read_bytes()
    for more in ((), ("--overwrite",)):
        refused(videomatte(*solve(shot, *more, out=shot.folder / "keys" / ".." / "plate.%04d.exr")), 2, "the plate", "1001")
    refused(videomatte(*solve(shot, "--trimap-out", shot.folder / "out" / "m.####.exr")), 2, "same file")
    assert plate(shot, 1001).read_bytes() == before


@pytest.mark.parametrize("out", ["m.exr", "m.####.png", "m.####"])
def test_an_output_that_cannot_hold_the_mattes(shot: Shot, videomatte: Videomatte, out: str) -> None:
    refused(videomatte(*solve(shot, out=shot.folder / "out" / out)), 2, out)
    assert not (shot.folder / "out").exists()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 7), (33, 17), (97, 65)])
def test_sizes_that_are_odd(tmp_path: Path, videomatte: Videomatte, width: int, height: int) -> None:
    shot = make_shot(tmp_path, frames=2, width=width, height=height)
    write_png(key(shot), np.full((height, width), 0.5, np.float32))
    for profile in ("final", "draft"):
        ran = videomatte(*solve(shot, "--profile", profile, "--foreground", tmp_path / "fg" / "f.####.exr"))
        assert ran.status == 0, ran.err
        for frame in shot.frames:
            alpha, colour = read_exr(tmp_path / "out" / f"m.{frame}.exr"), read_exr(tmp_path / "fg" / f"f.{frame}.exr")
            assert alpha.shape == (height, width, 4)
            assert colour.shape == (height, width, 3)
            assert np.isfinite(alpha).all()
            assert np.isfinite(colour).all()


def test_a_display_window_that_changes_is_refused(shot: Shot, videomatte: Videomatte) -> None:
    write_exr(plate(shot, 1002), picture(disc(1)), display=(128, 80))
    refused(videomatte(*solve(shot)), 3, plate(shot, 1002), "frame 1002", "128×80", "96×64")


@pytest.mark.parametrize("folder", ["with spaces", "Füße プレート", "[a-z]* {b} 'c' \"d\" #1", "100%d"])
def test_spaces_unicode_and_brackets_in_paths(tmp_path: Path, videomatte: Videomatte, folder: str) -> None:
    shot = make_shot(tmp_path / folder, frames=1)
    out = tmp_path / folder / "mätte out" / "ma tte.####.exr"
    ran = videomatte(*solve(shot, out=out))
    assert ran.status == 0, ran.err
    assert files(out.parent) == ["ma tte.1001.exr"]
    assert str(out) in ran.out
    empty(plate(shot, 1001))
    refused(videomatte(*solve(shot, "--overwrite", out=out)), 3, plate(shot, 1001))


def test_a_folder_name_that_is_not_utf_8(shot: Shot) -> None:
    odd = os.fsencode(shot.folder) + b"/caf\xe9"
    try:
        os.mkdir(odd)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    missing = os.fsdecode(odd) + "/plate.####.exr"
    ran = ended(started("solve", missing, "--trimap", shot.keys, "--out", shot.folder / "m.####.exr", "--json", scratch=shot.folder / "s"))
    assert ran.status == 3
    assert "caf\\udce9" in ran.out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shot, dict[str, bytes]]:
    """A shot of eight frames and its mattes, solved without interruption."""
    shot = make_shot(tmp_path_factory.mktemp("whole"), frames=8, keys=(1001, 1008))
    ran = ended(started(*solve(shot), scratch=shot.folder / "scratch"))
    assert ran.status == 0, ran.err
    return shot, {p.name: p.read_bytes() for p in (shot.folder / "out").iterdir()}


def interrupted(process: subprocess.Popen[str], number: int, *, after: float | tuple[str, int]) -> Ran:
    """Signal a process some seconds after its start, or after the nth event of a kind."""
    if isinstance(after, float):
        time.sleep(after)
    else:
        name, count = after
        assert process.stdout is not None
        for line in process.stdout:
            count -= f'"event": "{name}"' in line
            if count == 0:
                break
    process.send_signal(number)
    return ended(process)


MOMENTS: dict[signal.Signals, tuple[float | tuple[str, int], ...]] = {
    signal.SIGINT: (0.1, 1.0, ("began", 1), ("progress", 3), ("frame", 2)),
    signal.SIGTERM: (0.4, 1.8, ("progress", 9), ("frame", 1), ("frame", 3)),
}


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize(("number", "after"), [(number, after) for number, moments in MOMENTS.items() for after in moments])
def test_an_interruption_at_any_moment_leaves_only_whole_files(
    whole: tuple[Shot, dict[str, bytes]], tmp_path: Path, number: signal.Signals, after: float | tuple[str, int]
) -> None:
    shot, mattes = whole
    out = tmp_path / "out"
    ran = interrupted(started(*solve(shot, "--json", out=out / "m.####.exr"), scratch=tmp_path / "scratch"), number, after=after)
    if isinstance(after, float) and ran.status == 0:
        assert files(out) == sorted(mattes), "it was done before the signal came"
        return
    assert ran.status == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], ran.said
    assert '"event": "error"' in ran.out.splitlines()[-1]
    assert all((out / name).read_bytes() == mattes[name] for name in files(out))
    assert files(tmp_path / "scratch") == []
    if isinstance(after, tuple):
        assert "The same command goes on where it stopped." in ran.out
        assert (after[1] if after[0] == "frame" else 0) <= len(files(out)) < 8


@POSIX
@pytest.mark.slow
def test_interrupted_again_and_again_and_killed_a_shot_ends_with_the_bytes_of_one_run(
    whole: tuple[Shot, dict[str, bytes]], tmp_path: Path
) -> None:
    shot, mattes = whole
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    command = solve(shot, "--json", out=out / "m.####.exr")
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        ran = interrupted(started(*command, scratch=scratch), number, after=("frame", 1))
        assert ran.status == status
        assert all((out / name).read_bytes() == mattes[name] for name in files(out) if not name.startswith("."))
    dead = next(p for p in scratch.iterdir())
    os.utime(dead, (0, 0))
    assert ended(started(*command, scratch=scratch)).status == 0
    assert {p.name: p.read_bytes() for p in out.iterdir()} == mattes
    assert files(scratch) == []


@POSIX
@pytest.mark.slow
def test_more_signals_while_ending_change_nothing(whole: tuple[Shot, dict[str, bytes]], tmp_path: Path) -> None:
    shot, mattes = whole
    process = started(*solve(shot, out=tmp_path / "out" / "m.####.exr"), scratch=tmp_path / "scratch")
    while process.poll() is None and not files(tmp_path / "out"):
        time.sleep(0.01)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.005)
    ran = ended(process)
    refused(ran, 130, "Stopped by Ctrl-C", "The same command goes on where it stopped.")
    assert all((tmp_path / "out" / name).read_bytes() == mattes[name] for name in files(tmp_path / "out"))
    assert leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="no sample files: set VIDEOMATTE_DATA or unpack them into ../shared/data")
def test_every_damaged_sample_is_refused_by_name_or_read(tmp_path: Path, videomatte: Videomatte) -> None:
    write_png(tmp_path / "key.png", trimap(disc(0)))
    samples = sorted((DATA / "Damaged").iterdir())
    statuses = []
    for sample in samples:
        ran = videomatte("solve", sample, "--trimap", tmp_path / "key.png", "--out", tmp_path / f"{len(statuses)}.exr")
        statuses.append(ran.status)
        assert ran.status in (0, 3), ran.said
        if ran.status:
            assert sample.name in ran.err or "key.png" in ran.err
    assert statuses.count(3) >= 0.9 * len(samples)
    assert leftovers(tmp_path) == []


def test_nothing_of_ours_is_written_beside_the_plates(shot: Shot, videomatte: Videomatte) -> None:
    before = files(shot.folder)
    assert videomatte(*solve(shot, "--frames", "1001")).status == 0
    assert files(shot.folder) == sorted([*before, "out"])
    assert exr.read_provenance(shot.folder / "out" / "m.1001.exr") is not None
