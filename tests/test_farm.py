"""A shot on a farm: real processes, several at once, into one shot folder; the same bytes as one solve."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Videomatte
from shots import Shot as Painted
from shots import make_shot

from bridge.farm.openjd import spans, text
from bridge.farm.tasks import Tasks, tasks_of
from bridge.shot.folder import Shot
from bridge.shot.hold import Holder
from bridge.shot.work import CLAIM, Work
from bridge.wire.description import Description
from bridge.wire.errors import StorageError

TOKEN = "a farm's job"
SEGMENTS = ("1001-1002", "1004-1006", "1008-1009")
BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
OPENJD = os.environ.get("OPENJD") or shutil.which("openjd", path=BESIDE)


def begun(painted: Painted, folder: Path) -> Shot:
    return Shot.create(folder, Description(plate=painted.plate, trimap=painted.keys))


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return make_shot(tmp_path_factory.mktemp("plates"), frames=9, keys=(1003, 1007), width=48, height=32)


@pytest.fixture(scope="module")
def solved(painted: Painted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot solved in one go by a process of its own, as the tasks are."""
    folder = tmp_path_factory.mktemp("one") / "one.vmatte"
    begun(painted, folder)
    subprocess.run([sys.executable, "-m", "bridge.cli", "solve", "--shot", str(folder), "--device", "cpu"], check=True, capture_output=True)
    return folder


def task(step: str, shot: Shot, *more: str, token: str = TOKEN) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bridge.cli", "task", step, str(shot.folder), "--token", token, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: subprocess.Popen[str], *, status: int = 0) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == status, said
    assert "Traceback" not in said
    return said


def at_once(step: str, shot: Shot, frames: tuple[str, ...]) -> None:
    for process in [task(step, shot, "--frames", span, "--device", "cpu") for span in frames]:
        ended(process)


def results(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for kind in ("alpha", "trimap") for p in sorted((folder / kind).rglob("*.exr"))}


def test_tasks_at_once_give_the_bytes_of_one_solve(painted: Painted, solved: Path, tmp_path: Path) -> None:
    shot = begun(painted, tmp_path / "farm.vmatte")
    tasks = tasks_of(shot, chunk=3)
    assert (tasks.segments, tasks.chunks) == (SEGMENTS, ("1001-1003", "1004-1006", "1007-1009"))
    assert "1001-1009" in ended(task("begin", shot))
    at_once("propagate", shot, tasks.segments)
    at_once("matte", shot, tasks.chunks)
    assert "v001" in ended(task("publish", shot))
    assert results(shot.folder) == results(solved)
    assert len(results(solved)) == 18
    assert not (shot.folder / CLAIM).exists()


def test_nobody_else_solves_a_shot_that_a_farm_has(painted: Painted, tmp_path: Path) -> None:
    shot = begun(painted, tmp_path / "farm.vmatte")
    ended(task("begin", shot))
    with pytest.raises(StorageError, match="the farm"):
        Work.begin(shot)
    ended(task("begin", shot, token="another job"), status=4)
    with Work.begin(shot, holder=Holder(host="here too", pid=0, token=TOKEN)) as work:
        assert len(work.todo) == 9


def test_a_task_that_comes_too_early_says_what_is_missing(painted: Painted, tmp_path: Path) -> None:
    shot = begun(painted, tmp_path / "farm.vmatte")
    assert "head before 1003" in ended(task("matte", shot, "--frames", "1001-1002", "--device", "cpu"), status=3)
    assert "1001-1009 are not solved yet" in ended(task("publish", shot), status=3)
    assert "needs --frames" in ended(task("matte", shot), status=2)


@pytest.mark.slow
def test_a_job_that_runs_again_does_nothing(solved: Path, tmp_path: Path) -> None:
    shutil.copytree(solved, tmp_path / "one.vmatte")
    shot = Shot.open(tmp_path / "one.vmatte")
    before = results(shot.folder)
    assert "trimaps of 0 frames" in ended(task("propagate", shot, "--frames", SEGMENTS[0], "--device", "cpu"))
    assert "mattes of 0 frames" in ended(task("matte", shot, "--frames", "1001-1009", "--device", "cpu"))
    assert "nothing changed" in ended(task("publish", shot))
    assert results(shot.folder) == before


@pytest.mark.slow
def test_a_slurm_script_runs_its_tasks_without_slurm_too(painted: Painted, videomatte: Videomatte, solved: Path, tmp_path: Path) -> None:
    shot = begun(painted, tmp_path / "sh 010.vmatte")
    ran = videomatte("farm", "slurm", shot.folder, "--out", tmp_path / "farm", "--chunk", 5)
    script = Path(ran.out.strip())
    assert script == tmp_path / "farm" / "sh 010.slurm.sh"
    command = tmp_path / "videomatte"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bridge.cli "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(["bash", str(script), "local"], env={**os.environ, "VIDEOMATTE": str(command)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(shot.folder) == results(solved)


def test_a_slurm_script_submits_four_jobs_that_wait_for_each_other(painted: Painted, videomatte: Videomatte, tmp_path: Path) -> None:
    shot = begun(painted, tmp_path / "sh010.vmatte")
    script = videomatte("farm", "slurm", shot.folder, "--out", tmp_path / "farm", "--chunk", 4).out.strip()
    stand_in = tmp_path / "bin" / "sbatch"
    stand_in.parent.mkdir()
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nwc -l < {tmp_path}/calls\n')
    stand_in.chmod(0o755)
    subprocess.run(["bash", script], env={**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}"}, check=True, capture_output=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.rpartition(" ")[2] for call in calls] == ["begin", "propagate", "matte", "publish"]
    assert ["--array=0-2" in call for call in calls] == [False, True, True, False]
    assert [call.partition("afterok:")[2].partition(" ")[0] for call in calls] == ["", "1", "2", "3"]


@pytest.mark.parametrize(("frames", "said"), [((1, 2, 3, 7), "1-3,7"), ((-5, -4, -3), "-5--3"), ((9,), "9")])
def test_frames_are_written_as_the_specification_does(frames: tuple[int, ...], said: str) -> None:
    assert spans(frames) == said


def test_a_bundle_without_segments_has_no_propagate_step() -> None:
    tasks = Tasks("sh010", Path("/shows/sh010.vmatte"), (), (1001, 1002))
    assert "Propagate" not in text(tasks)
    assert "dependsOn: Begin }]" in text(tasks)


@pytest.mark.slow
@pytest.mark.skipif(OPENJD is None, reason="needs the command openjd: pip install openjd-cli, or $OPENJD")
def test_openjd_runs_a_bundle_to_the_bytes_of_one_solve(painted: Painted, videomatte: Videomatte, solved: Path, tmp_path: Path) -> None:
    shot = begun(painted, tmp_path / "sh010.vmatte")
    ran = videomatte("farm", "openjd", shot.folder, "--out", tmp_path / "farm", "--chunk", 4, "--json")
    template = json.loads(ran.out)["file"]
    command = tmp_path / "videomatte"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bridge.cli "$@"\n')
    command.chmod(0o755)
    typed = [str(OPENJD), "run", template, "-p", f"Videomatte={command}", "-p", "Device=cpu"]
    done = subprocess.run(typed, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(shot.folder) == results(solved)
