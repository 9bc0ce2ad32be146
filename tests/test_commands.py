"""The smaller commands: trimap, models, doctor, demo, bench."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran, Videomatte, ended, started
from shots import make_shot, read_exr, write_exr


def events(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.iterdir())}


def test_trimaps_are_made_from_a_roto_matte(videomatte: Videomatte, tmp_path: Path) -> None:
    roto = np.zeros((40, 60), np.float32)
    roto[10:30, 20:40] = 1
    for frame in (1, 2):
        write_exr(tmp_path / f"roto.{frame:04d}.exr", roto, kind="float")
    command = ["trimap", tmp_path / "roto.####.exr", "--out", tmp_path / "keys" / "key.####.exr", "--erode", 3, "--dilate", 5]
    ran = videomatte(*command)
    assert (ran.status, ran.out.splitlines()[0]) == (0, "2 trimaps written")
    row = read_exr(tmp_path / "keys" / "key.0002.exr")[20, :, 0]
    assert [int(np.argmax(row == v)) for v in (0.5, 1.0)] == [15, 23]
    before = state(tmp_path / "keys")
    assert videomatte(*command).out.splitlines()[0] == "0 trimaps written, 2 kept"
    assert state(tmp_path / "keys") == before
    assert videomatte(*command, "--frames", "7-9").status == 3
    shutil.copy(tmp_path / "roto.0001.exr", tmp_path / "keys" / "key.0001.exr")
    assert videomatte(*command).status == 3


def test_models_are_listed_and_a_changed_file_is_found(videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge import shipped as weights

    ran = videomatte("models", "--json")
    assert (ran.status, [m["stage"] for m in events(ran)]) == (0, ["propagation", "matting", "steadying"])
    assert all(len(m["sha256"]) == 64 and m["problem"] == "" for m in events(ran))
    copy = tmp_path / "weights"
    shutil.copytree(weights.FOLDER, copy)
    file = copy / weights.manifest()["matting"]["file"]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr(weights, "FOLDER", copy)
    ran = videomatte("models")
    assert ran.status == 4
    assert file.name in ran.err
    assert "differs" in ran.out
    assert videomatte("doctor").status == 4


def test_doctor_says_what_a_solve_would_use(videomatte: Videomatte) -> None:
    ran = videomatte("doctor", "--json")
    found = {f["subject"]: f for f in events(ran)}
    assert ran.status == 0
    assert {"torch", "OpenImageIO", "cpu", "a solve uses", "weights of matting", "scratch folder"} <= set(found)
    assert {f["verdict"] for f in found.values()} <= {"good", "slow"}


def test_doctor_finds_a_scratch_folder_that_is_not_there(videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(tmp_path / "file" / "below"))
        ran = videomatte("doctor")
    assert ran.status == 4
    assert "TMPDIR" in ran.err


def test_the_demo_writes_mattes_and_one_sheet_and_says_its_error(videomatte: Videomatte, tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "demo", frames=2)
    (tmp_path / "demo" / "keys" / "key.1001.png").rename(tmp_path / "demo" / "trimap.1001.png")
    for frame, alpha in shot.truth.items():
        write_exr(tmp_path / "demo" / "truth" / f"alpha.{frame}.exr", alpha, kind="float")
    ran = videomatte("demo", "--shot", tmp_path / "demo", "--out", tmp_path / "out")
    assert ran.status == 0, ran.err
    alphas = [read_exr(tmp_path / "out" / "alpha" / f"alpha.{frame}.exr")[..., 0] for frame in shot.frames]
    error = 1000 * np.mean([np.abs(a - t) for a, t in zip(alphas, shot.truth.values(), strict=True)])
    assert f"{error:.2f} over the whole frame" in ran.out
    assert read_exr(tmp_path / "out" / "contact-sheet.png").shape[2] == 3


def test_a_demo_that_is_not_there_is_an_error(videomatte: Videomatte, tmp_path: Path) -> None:
    ran = videomatte("demo", "--shot", tmp_path, "--out", tmp_path / "out")
    assert ran.status == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_benchmark_prints_a_table(tmp_path: Path) -> None:
    ran = ended(started("bench", "--size", "96x64", "--memory", "2,3", scratch=tmp_path / "scratch"))
    assert ran.status == 0, ran.err
    rows = [line.split() for line in ran.out.splitlines() if "96×64" in line]
    assert [row[1] for row in rows] == ["2", "3"]
    assert "3 frames need" in ran.out
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("unknown", [0.05, 0.15])
def test_the_key_of_the_benchmark_has_at_most_the_unknown_it_was_asked_for(unknown: float) -> None:
    from bridge.cli.synthetic import Subject, share_unknown

    assert 0.9 * unknown < share_unknown(480, 270, unknown=unknown) <= unknown
    subject = Subject.sized(480, 270, unknown=unknown)
    alpha, painted = subject.alpha(3), subject.trimap(3)
    assert (alpha[painted == 1] == 1).all()
    assert (alpha[painted == 0] == 0).all()
    assert ((alpha > 0) & (alpha < 1)).mean() > 0.1 * unknown
