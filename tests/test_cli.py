"""The command line: what is typed, what is said, what is written, and the exit status."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran, Videomatte, ended, started
from shots import Shot, make_shot, read_exr, trimap, write_exr, write_png

from bridge import exr, failures
from bridge.cli import arguments, interruption, progress
from bridge.cli.console import Console
from bridge.sequence import Sequence
from bridge.wire import errors


def solve(shot: Shot, out: object, *more: object) -> list[object]:
    return ["solve", shot.plate, "--trimap", shot.keys, "--out", out, *more]


def events(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.iterdir())}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: data for name, (_, data) in state(folder).items()}


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """Four frames whose key is the second."""
    return make_shot(tmp_path_factory.mktemp("shot"), frames=4, keys=(1002,))


@pytest.fixture(scope="module")
def solved(shot: Shot, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """The shot solved with everything written, in a process of its own, speaking JSON."""
    folder = tmp_path_factory.mktemp("solved")
    more = ("--trimap-out", folder / "trimap" / "t.####.exr", "--foreground", folder / "foreground" / "f.####.exr", "--json")
    return folder, ended(started(*solve(shot, folder / "matte" / "m.####.exr", *more), scratch=folder / "scratch"))


def test_help_and_version_need_no_torch() -> None:
    code = "import sys; from bridge.cli.main import main; s = main(sys.argv[1:]); print(s, {'torch', 'numpy', 'rich'} & {*sys.modules})"
    for typed, said in ((["--help"], "solve the mattes of a shot"), (["--version"], "videomatte 0.")):
        out = subprocess.run([sys.executable, "-c", code, *typed], capture_output=True, text=True, timeout=60).stdout
        assert said in out
        assert out.splitlines()[-1] == "0 set()"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([], "COMMAND"),
        (["solv"], "'solv'"),
        (["solve", "p.####.exr", "--out", "o.####.exr"], "--trimap"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--frames", "10-1"], "runs backwards"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--frames", "a-b"], "'a-b' is not a frame range"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--device", "gpu"], "none of auto, cpu, cuda"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--depth", "double"], "'double'"),
        (["solve", "p", "--trimap", "k", "--out", "o", "--channels", "rgb"], "'rgb'"),
        (["solve", "p", "--trim", "k", "--out", "o"], "--trimap"),
        (["solve", "p.1.exr", "p.2.exr", "--trimap", "k", "--out", "o"], "Put patterns in quotes"),
        (["trimap", "m", "--out", "o", "--erode", "-3"], "'-3' is not a width"),
        (["bench", "--size", "big"], "'big' is not a size"),
        (["bench", "--unknown", "0"], "'0' is not a share above 0"),
        (["farm", "slurm", "s", "--chunk", "0"], "'0' is not a whole number from 1"),
        (["serve", "--idle-release", "nan"], "'nan' is not a number of seconds"),
        (["watch", "in", "--settle", "soon"], "'soon' is not a number of seconds"),
        (["watch", "in", "--at", "2"], "--at"),
        (["install", "nuke", "--offline", "no/wheels"], "there is no folder no/wheels"),
        (["install", "blender", "--offline", "no/wheels"], "there is no folder no/wheels"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(videomatte: Videomatte, typed: list[str], said: str) -> None:
    ran = videomatte(*typed)
    assert ran.status == 2
    assert said in ran.err
    assert ran.out == ""
    assert "--help" in ran.err


def test_a_usage_error_is_one_json_object_when_json_was_asked_for(videomatte: Videomatte) -> None:
    ran = videomatte("solve", "plate.####.exr", "--json")
    (error,) = events(ran)
    assert (ran.status, error["event"], error["code"], error["exit_status"]) == (2, "error", "usage", 2)
    assert ran.err == ""


def test_the_command_line_is_the_contract() -> None:
    typed = (
        "solve P --trimap K --out O --frames 1001-1100 --trimap-out T --foreground F --garbage G --holdout H --layer L --view V "
        "--trimap-channel C --device cuda:1 --profile draft --colorspace ACEScg --channels y --depth half --overwrite --json"
    )
    read = arguments.parse(typed.split())
    assert read.frames == tuple(range(1001, 1101))
    assert (read.device, read.profile, read.colorspace, read.channels, read.depth) == ("cuda:1", "draft", "ACEScg", "y", "half")
    least = arguments.parse(["solve", "P", "--trimap", "K", "--out", "O"])
    assert (least.device, least.profile, least.colorspace, least.channels, least.depth) == ("auto", "final", "auto", "rgba", "float")
    assert (least.frames, least.overwrite, least.json) == (None, False, False)


@pytest.mark.parametrize("typed", [["--frames", "-5-5"], ["--frames=-5-5"], ["--frames", "-5--1,0-5"], ["--frames", "-5-5x1"]])
def test_ranges_may_begin_below_zero(typed: list[str]) -> None:
    assert arguments.parse(["solve", "P", *typed, "--trimap", "K", "--out", "O"]).frames == tuple(range(-5, 6))


@pytest.mark.parametrize(
    ("plate", "out", "wanted"),
    [
        ("shots/a_v2.####.exr", "new/", "new/a_v2_matte.####.exr"),
        ("shots/a.%06d.exr", "new/", "new/a_matte.####.exr"),
        ("shots/a_v2.1001.exr", "new/", "new/a_v2_matte.####.exr"),
        ("shots/a.exr", "new/", "new/a_matte.exr"),
        ("shots/####.exr", "new/", "new/shots_matte.####.exr"),
        ("shots/a.####.exr", "new/b.####.exr", "new/b.####.exr"),
    ],
)
def test_a_folder_to_write_to_becomes_a_pattern_named_after_the_plate(plate: str, out: str, wanted: str) -> None:
    assert str(arguments.output(out, plate=Sequence.parse(plate), what="matte")) == wanted


def test_a_folder_that_exists_needs_no_slash(tmp_path: Path) -> None:
    assert arguments.output(str(tmp_path), plate=Sequence.parse("a.####.exr"), what="matte").pattern == str(tmp_path / "a_matte.####.exr")


def test_a_solve_tells_its_whole_story_as_json_lines(shot: Shot, solved: tuple[Path, Ran]) -> None:
    folder, ran = solved
    told = events(ran)
    assert (ran.status, ran.err) == (0, "")
    assert (told[0]["event"], told[-1]["event"]) == ("began", "done")
    assert (told[0]["frames"], told[0]["kept"], told[0]["keys"], told[0]["trimap_channels"]) == (shot.frames, [], [1002], {"1002": "Y"})
    steps = [(e["stage"], e["done"], e["total"]) for e in told if e["event"] == "progress"]
    assert steps == [("propagate", i, 3) for i in (1, 2, 3)] + [("matte", i, 4) for i in (1, 2, 3, 4)]
    landed = {e["frame"]: e["files"] for e in told if e["event"] == "frame"}
    assert sorted(landed) == shot.frames
    assert landed[1003] == [str(folder / p) for p in ("matte/m.1003.exr", "trimap/t.1003.exr", "foreground/f.1003.exr")]
    assert told[-1]["solved"] == shot.frames
    assert set(told[-1]["files"]) == {"matte", "trimap", "foreground"}


def test_mattes_trimaps_and_foreground_hold_what_the_contract_says(shot: Shot, solved: tuple[Path, Ran]) -> None:
    folder, _ = solved
    for frame in shot.frames:
        matte = read_exr(folder / "matte" / f"m.{frame}.exr")
        classes = read_exr(folder / "trimap" / f"t.{frame}.exr")[..., 0]
        assert matte.shape == (64, 96, 4)
        assert np.ptp(matte, axis=2).max() == 0
        assert set(np.unique(classes)) == {0.0, 0.5, 1.0}
        assert (matte[..., 0][classes == 1] == 1).all()
        assert (matte[..., 0][classes == 0] == 0).all()
        assert 0 <= matte.min() <= matte.max() <= 1
    key = read_exr(folder / "trimap" / "t.1002.exr")[..., 0]
    assert np.array_equal(key, trimap(shot.truth[1002]))
    foreground, plate = (read_exr(Path(p)) for p in (folder / "foreground" / "f.1002.exr", shot.plate.replace("####", "1002")))
    certain = key == 1
    assert np.abs(foreground[certain] - plate[certain]).max() < 1e-3
    assert foreground.max() > 1.0
    assert {exr.read_header(folder / "matte" / "m.1001.exr").spec.format.basetype.name} == {"FLOAT"}


def test_the_same_command_again_does_no_work(shot: Shot, solved: tuple[Path, Ran], videomatte: Videomatte) -> None:
    folder, _ = solved
    before = state(folder / "matte")
    ran = videomatte(*solve(shot, folder / "matte" / "m.####.exr"))
    assert ran.status == 0
    assert "Nothing to do: 4 frames up to date" in ran.out
    assert "The trimap is read from channel Y" in ran.err
    assert state(folder / "matte") == before


def test_a_lost_frame_is_solved_alone_and_the_same_to_the_byte(
    shot: Shot, solved: tuple[Path, Ran], videomatte: Videomatte, tmp_path: Path
) -> None:
    whole = contents(solved[0] / "matte")
    shutil.copytree(solved[0] / "matte", tmp_path / "matte")
    (tmp_path / "matte" / "m.1003.exr").unlink()
    ran = videomatte(*solve(shot, tmp_path / "matte" / "m.####.exr"))
    assert (ran.status, ran.out.splitlines()[0].split(", ")[:2]) == (0, ["1 frame solved", "3 frames kept"])
    assert contents(tmp_path / "matte") == whole


def test_every_second_frame_has_the_pixels_of_the_whole_shot(
    shot: Shot, solved: tuple[Path, Ran], videomatte: Videomatte, tmp_path: Path
) -> None:
    ran = videomatte(*solve(shot, tmp_path / "m.####.exr", "--frames", "1001-1004x2"))
    assert ran.status == 0
    whole = contents(solved[0] / "matte")
    assert contents(tmp_path) == {name: whole[name] for name in ("m.1001.exr", "m.1003.exr")}


def test_frames_below_zero_are_solved(videomatte: Videomatte, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=3, first=-1, keys=(0,))
    ran = videomatte(*solve(shot, f"{tmp_path}/out/", "--frames", "-1-0"))
    assert ran.status == 0, ran.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["plate_matte.-001.exr", "plate_matte.0000.exr"]


def test_our_stale_file_is_replaced_and_depth_and_channels_are_obeyed(
    shot: Shot, solved: tuple[Path, Ran], videomatte: Videomatte, tmp_path: Path
) -> None:
    shutil.copy(solved[0] / "matte" / "m.1001.exr", tmp_path / "m.1001.exr")
    ran = videomatte(*solve(shot, tmp_path / "m.####.exr", "--frames", "1001", "--depth", "half", "--channels", "a"))
    assert ran.status == 0
    header = exr.read_header(tmp_path / "m.1001.exr")
    assert header.channels == ("A",)
    assert str(header.spec.format) == "half"
    full = read_exr(solved[0] / "matte" / "m.1001.exr")[..., 0]
    assert np.abs(read_exr(tmp_path / "m.1001.exr")[..., 0] - full).max() < 6e-4


def test_a_foreign_file_is_kept_unless_told_to_overwrite(shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    foreign = tmp_path / "m.1001.exr"
    shutil.copy(shot.plate.replace("####", "1001"), foreign)
    before = foreign.read_bytes()
    command = solve(shot, tmp_path / "m.####.exr", "--frames", "1001")
    ran = videomatte(*command)
    assert (ran.status, foreign.read_bytes()) == (3, before)
    assert str(foreign) in ran.err
    assert "--overwrite" in ran.err
    assert videomatte(*command, "--overwrite").status == 0
    assert exr.read_provenance(foreign) is not None


def test_garbage_and_holdout_are_exact(shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    left, right = np.zeros((2, 64, 96), np.float32)
    left[:, :48], right[:, 48:] = 1, 1
    garbage, holdout = (write_png(tmp_path / f"{name}.1002.png", values) for name, values in (("g", left), ("h", right)))
    more = ("--frames", "1002", "--garbage", garbage.with_name("g.####.png"), "--holdout", holdout.with_name("h.####.png"))
    assert videomatte(*solve(shot, tmp_path / "m.####.exr", *more)).status == 0
    alpha = read_exr(tmp_path / "m.1002.exr")[..., 0]
    assert (alpha[:, :48].max(), alpha[:, 48:].min()) == (0, 1)


def test_the_trimap_is_read_from_alpha_only_where_it_varies(shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    grey = trimap(shot.truth[1002])
    painted = np.stack([grey, grey, grey, np.ones_like(grey)], 2)
    write_png(tmp_path / "flat.1002.png", painted)
    write_exr(tmp_path / "varied.1002.exr", painted[..., [3, 3, 3, 0]], kind="float")
    for name, channel in (("flat.####.png", "R"), ("varied.####.exr", "A")):
        ran = videomatte("solve", shot.plate, "--trimap", tmp_path / name, "--out", tmp_path / channel / "m.####.exr", "--frames", "1002")
        assert ran.status == 0
        assert ran.err.count(f"The trimap is read from channel {channel} of ") == 1
    assert np.array_equal(*(read_exr(tmp_path / c / "m.1002.exr") for c in "RA"))


def test_an_internal_error_is_one_sentence_and_the_traceback_goes_to_the_log(
    shot: Shot, videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a wheel came off")

    monkeypatch.setattr("bridge.solve.run.solve", broken)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ran = videomatte(*solve(shot, tmp_path / "m.####.exr"))
    (log,) = (tmp_path / "state").rglob("*.log")
    assert ran.status == 1
    assert "ZeroDivisionError: a wheel came off" in ran.err
    assert str(log) in ran.err
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried")])
def test_running_out_of_memory_has_a_remedy(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    known = failures.explained(error)
    assert isinstance(known, errors.MemoryExhaustedError)
    assert known.exit_status == 4
    assert "--profile draft" in known.remedy


@pytest.mark.parametrize("typed", [["doctor", "--json"], ["models"], ["--help"]])
def test_a_reader_that_went_away_is_no_error(tmp_path: Path, typed: list[str]) -> None:
    process = started(*typed, scratch=tmp_path / "scratch")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.wait(60), process.stderr.read()) == (0, "")
    process.stderr.close()


DEAF = """
import signal, sys, threading, time, pathlib, os
from bridge.cli import interruption
folder = pathlib.Path(sys.argv[1])
interruption.PATIENCE = 0.3
def work():
    stop.careful, stop.remedy = True, "Go on."
    stop.folders.add(folder)
    (folder / f".videomatte~host~{os.getpid()}~1.tmp").touch()
    (folder / f".videomatte~host~{os.getpid() + 1}~1.tmp").touch()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
with interruption.heard(for_good=True) as stop:
    sys.exit(interruption.obeyed(work, stop=stop, said=lambda e: print(e, flush=True), notice=lambda: print('Heard.')))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_command_that_does_not_stop_in_time_is_ended_without_its_temporary_files(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DEAF, str(tmp_path)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (143, "")
    assert done.stdout == "Heard.\nStopped: the process was asked to end.\n  Go on.\n"
    (other,) = tmp_path.iterdir()
    assert other.name.startswith(".videomatte~host~")


def test_why_a_command_ends_is_the_last_thing_said(capsys: pytest.CaptureFixture[str]) -> None:
    console, stop = Console(), interruption.Stop()
    notices: list[str] = []

    def work() -> int:
        stop.ask(signal.SIGINT)
        console.fail(errors.InterruptedByUserError("Stopped", remedy="Go on."))
        return 130

    assert interruption.obeyed(work, stop=stop, said=console.fail, notice=lambda: notices.append("late")) == 130
    console.note("Stopping.")
    console.warn("A warning")
    assert notices == []
    assert capsys.readouterr().err == "videomatte: Stopped.\n  Go on.\n"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    heard_before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interruption.heard(for_good=False) as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.number is None
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.number == signal.SIGINT
            with pytest.raises(errors.InterruptedByUserError):
                stop.check()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, heard_before)


def test_speed_is_measured_from_the_end_of_the_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0, 14.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    speed = progress.Speed()
    assert speed.measure("matte", done=1, total=9) == (None, None)
    assert speed.measure("matte", done=2, total=9) == (0.5, 14.0)
    assert speed.measure("matte", done=5, total=9) == (1.0, 4.0)
    assert progress.clock(3725.4) == "1:02:05"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
def test_a_terminal_shows_bars_with_frames_per_second(shot: Shot, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    code = "import sys; from bridge.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, solve(shot, tmp_path / "m.####.exr", "--frames", "1001-1003"))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "COLUMNS": "100", "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while block := _read(ours):
        seen += block
    os.close(ours)
    assert process.wait(60) == 0
    text = seen.decode()
    assert "The trimap is read from channel Y" in text
    assert "Mattes" in text
    assert "3/3" in text
    assert "frames/s" in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_the_page_about_the_command_line_names_every_option_status_and_code() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "command-line.md").read_text(encoding="utf-8")
    verbs = [f"shot {verb}" for verb in ("status", "keys", "lock", "unlock", "prune")]
    for command in ("solve", *verbs, "trimap", "demo", "models", "doctor", "bench"):
        typed = [sys.executable, "-m", "bridge.cli", *command.split(), "--help"]
        shown = subprocess.run(typed, capture_output=True, text=True, timeout=60).stdout
        options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}
        assert [o for o in options if o not in page] == []
    tree = [getattr(errors, name) for name in dir(errors) if name.endswith("Error")]
    leaves = [e for e in tree if not e.__subclasses__()]
    assert [e.code for e in leaves if f"`{e.code}`" not in page] == []
    assert [e.exit_status for e in tree if f"\n| {e.exit_status} | " not in page] == []
