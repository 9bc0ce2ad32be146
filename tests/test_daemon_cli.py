"""The daemon from the command line: serve, submit, status, jobs, cancel, release, stop, keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Ran, Videomatte, ended, started
from daemons import Daemon, alive, daemon_in, until
from shots import Shot, make_shot

from bridge.cli import asking
from bridge.cli.serve import size, words
from bridge.cli.submit import PATIENCE, located
from bridge.wire.description import Description
from bridge.wire.errors import UnknownJobError, UsageError
from bridge.wire.messages import JobList
from bridge.wire.values import JobState

COMMANDS = (["status"], ["jobs"], ["cancel", "ab"], ["release"], ["stop"], ["submit", "--follow", "ab"])
LOADED = """
import sys
from bridge.cli.main import main
status = main(sys.argv[1:])
print(status, sorted({"torch", "cv2"} & {*sys.modules}))
"""

PATIENT = """
import sys
from bridge.cli import submit
from bridge.cli.main import main
submit.PATIENCE = float(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return make_shot(tmp_path_factory.mktemp("shot"), frames=4, keys=(1002,), width=48, height=32)


@pytest.fixture(scope="module")
def long_shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return make_shot(tmp_path_factory.mktemp("long"), frames=80, width=48, height=32)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture
def daemon(served: Daemon, videomatte: Videomatte, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A warm daemon that command lines of this test find."""
    lead_to(served, monkeypatch)
    return served


@pytest.fixture
def nobody(tmp_path: Path, videomatte: Videomatte, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """Folders in which no daemon runs."""
    found = Daemon(tmp_path / "d")
    (tmp_path / "d" / "tmp").mkdir(parents=True)
    (tmp_path / "d" / "runtime").mkdir(mode=0o700)
    lead_to(found, monkeypatch)
    return found


def lead_to(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in daemon.environment.items():
        if name.startswith("XDG_"):
            monkeypatch.setenv(name, folder)


def typed(command: str, shot: Shot, out: object, *more: object) -> list[object]:
    return [command, shot.plate, "--trimap", shot.keys, "--out", out, *more]


def events(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def begun(process: subprocess.Popen[str], *, event: str) -> None:
    """Read what a command says as JSON until an event comes."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    raise AssertionError(f"no event {event}")


def test_submit_gives_the_bytes_of_solve_and_tells_the_same_story(
    daemon: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shot.folder)
    more = ("--trimap-out", tmp_path / "t/t.####.exr", "--json")
    here = videomatte(*typed("solve", shot, f"{tmp_path}/here/", "--trimap-out", tmp_path / "h/t.####.exr", "--json"))
    there = videomatte("submit", "plate.####.exr", "--trimap", "keys/key.####.png", "--out", f"{tmp_path}/there/", *more)
    assert (here.status, there.status, there.err) == (0, 0, "")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert contents(tmp_path / "t") == contents(tmp_path / "h")
    told, solved = events(there), events(here)
    assert (told[0]["event"], told[-1]["event"]) == ("accepted", "done")
    steps = [[(e["stage"], e["frame"], e["done"], e["total"]) for e in run if e["event"] == "progress"] for run in (told, solved)]
    assert sorted(steps[0]) == sorted(steps[1])
    landed = {e["frame"]: e["files"] for e in told if e["event"] == "frame"}
    assert sorted(landed) == shot.frames
    assert landed[1003] == [str(tmp_path / "there" / "plate_matte.1003.exr"), str(tmp_path / "t" / "t.1003.exr")]
    assert {*solved[-1]} | {"job", "version"} == {*told[-1]}
    assert told[-1]["solved"] == shot.frames
    assert told[-1]["files"] == {"matte": str(tmp_path / "there" / "plate_matte.####.exr"), "trimap": str(tmp_path / "t" / "t.####.exr")}


def test_a_submit_again_does_no_work_and_says_so(daemon: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    assert videomatte(*typed("submit", shot, f"{tmp_path}/m.####.exr")).status == 0
    before = contents(tmp_path)
    again = videomatte(*typed("submit", shot, f"{tmp_path}/m.####.exr"))
    assert (again.status, again.out.splitlines()[0]) == (0, "Nothing to do: 4 frames up to date")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("more", [["--frames", "1001-1009"], ["--colorspace", "purple"], ["--garbage", "nothing.####.exr"]])
def test_submit_refuses_what_solve_refuses_in_the_same_words(
    daemon: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = [videomatte(*typed(command, shot, "out/m.####.exr", *more, "--json")) for command in ("solve", "submit")]
    said = [{key: events(r)[-1].get(key) for key in ("event", "code", "frame")} for r in ran]
    assert said[0] == said[1]
    assert ran[0].status == ran[1].status
    assert events(ran[0])[-1].get("missing") == events(ran[1])[-1].get("missing")


def test_a_shot_folder_is_solved_by_the_daemon_and_goes_on_here(daemon: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    command = ["submit", shot.plate, "--trimap", shot.keys, "--shot", tmp_path / "a.vmatte"]
    ran = videomatte(*command, "--frames", "1001-1002", "--json")
    assert ran.status == 0, ran.said
    assert events(ran)[-1]["version"] == str(tmp_path / "a.vmatte" / "alpha" / "v001")
    assert videomatte("solve", "--shot", tmp_path / "a.vmatte").status == 0
    assert videomatte("solve", shot.plate, "--trimap", shot.keys, "--shot", tmp_path / "b.vmatte").status == 0
    assert contents(tmp_path / "a.vmatte" / "alpha" / "v002") == contents(tmp_path / "b.vmatte" / "alpha" / "v001")
    assert videomatte("submit", "--shot", tmp_path / "a.vmatte").out.startswith("Nothing to do: 4 frames up to date")


def test_a_detached_job_is_followed_by_the_beginning_of_its_id(daemon: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    left = videomatte(*typed("submit", shot, tmp_path / "m.####.exr", "--detach"))
    job = left.out.strip()
    assert (left.status, len(job)) == (0, 8)
    ran = videomatte("submit", "--follow", job[:6], "--json")
    assert ran.status == 0
    assert (events(ran)[-1]["job"], events(ran)[-1]["solved"]) == (job, shot.frames)
    assert len(contents(tmp_path)) == 4
    listed = {row["job"]: row for row in events(videomatte("jobs", "--all", "--json"))}
    assert (listed[job]["state"], listed[job]["done"], listed[job]["total"]) == ("done", 4, 4)
    assert job in videomatte("jobs", "--all").out
    assert f"{job} has ended already: done" in videomatte("cancel", job).out


def test_ctrl_c_cancels_the_job_and_the_same_command_goes_on(
    daemon: Daemon, long_shot: Shot, videomatte: Videomatte, tmp_path: Path
) -> None:
    process = started(*typed("submit", long_shot, tmp_path / "out/m.####.exr", "--json"), scratch=tmp_path / "scratch")
    begun(process, event="frame")
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    error = events(ran)[-1]
    assert (ran.status, error["event"], error["code"], error["exit_status"]) == (130, "error", "interrupted", 130)
    assert "is cancelled" in str(error["message"])
    assert videomatte("jobs").out == "No jobs: nothing waits or runs\n"
    kept = {name: data for name, data in contents(tmp_path / "out").items() if name.endswith(".exr")}
    assert 1 <= len(kept) < 80
    ran = videomatte(*typed("submit", long_shot, tmp_path / "out/m.####.exr", "--frames", "1001-1020", "--json"))
    assert ran.status == 0
    assert set(events(ran)[-1]["kept"]) >= {int(name.split(".")[1]) for name in kept if int(name.split(".")[1]) <= 1020}
    assert kept.items() <= contents(tmp_path / "out").items()


def test_a_job_that_somebody_cancels_ends_with_130(daemon: Daemon, long_shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    process = started(*typed("submit", long_shot, tmp_path / "out/m.####.exr", "--json"), scratch=tmp_path / "scratch")
    begun(process, event="progress")
    (job,) = events(videomatte("jobs", "--json"))
    shown = videomatte("status").out
    assert "busy" in shown
    assert str(job["job"]) in shown
    assert videomatte("cancel", "0" * 8).status == 3
    assert videomatte("cancel", job["job"]).out == f"{job['job']} cancelled\n"
    ran = ended(process)
    assert (ran.status, events(ran)[-1]["code"]) == (130, "job.cancelled")


def test_the_state_of_the_daemon_is_a_page_and_an_object(daemon: Daemon, videomatte: Videomatte) -> None:
    (state,) = events(videomatte("status", "--json"))
    assert (state["pid"], [d["device"] for d in state["devices"]]) == (daemon.pid, ["cpu"])
    page = videomatte("status").out
    assert page.startswith(f"The daemon: process {daemon.pid}, version ")
    assert "Devices" in page
    assert f"answers: process {daemon.pid}" in videomatte("doctor", "--json").out


def test_a_second_daemon_says_which_process_runs_already(daemon: Daemon, tmp_path: Path) -> None:
    for _ in range(2):
        ran = serve(daemon.environment)
        assert ran.returncode == 4
        assert f"A daemon is running already (process {daemon.pid})" in ran.stderr
    beside = serve({**daemon.environment, "XDG_RUNTIME_DIR": str(tmp_path)})
    assert beside.returncode == 4, "two daemons must not share a queue"
    assert "XDG_STATE_HOME" in beside.stderr


def serve(environment: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridge.cli", "serve", "--device", "cpu", *more]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_neither_the_front_nor_submit_loads_torch(daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADED, *map(str, typed("submit", shot, tmp_path / "m.####.exr"))]
    ran = subprocess.run(command, capture_output=True, text=True, env=daemon.environment, timeout=60)
    assert ran.stdout.splitlines()[-1] == "0 []"
    if sys.platform == "linux":
        assert "libtorch" not in Path(f"/proc/{daemon.pid}/maps").read_text()
        assert any("libtorch" in Path(f"/proc/{pid}/maps").read_text() for pid in daemon.workers())


def test_release_gives_the_devices_back_and_the_next_job_takes_them_again(
    daemon: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path
) -> None:
    until(lambda: daemon.workers())
    assert videomatte("release").out == "Given back: cpu\n"
    assert until(lambda: daemon.state().devices == ())
    assert "No device is in use" in videomatte("status").out
    assert videomatte("release").out == "Nothing to give back: no device is in use\n"
    assert videomatte(*typed("submit", shot, tmp_path / "m.####.exr", "--frames", "1002")).status == 0


def submitting_thirty(shot: Shot, folder: Path, *, patience: float) -> subprocess.Popen[str]:
    """Start to submit thirty frames; return when the first is solved. patience: seconds without a daemon that are borne."""
    words = typed("submit", shot, folder / "out/m.####.exr", "--frames", "1001-1030", "--json")
    command = [sys.executable, "-c", PATIENT, str(patience), *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun(process, event="frame")
    return process


def test_a_daemon_that_is_killed_and_started_again_does_not_end_the_submit(
    long_shot: Shot, videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with daemon_in(tmp_path / "d") as daemon:
        lead_to(daemon, monkeypatch)
        process = submitting_thirty(long_shot, tmp_path, patience=PATIENCE)
        daemon.kill()
        daemon.start()
        ran = ended(process)
        assert (ran.status, events(ran)[-1]["event"]) == (0, "done"), ran.said
        assert len(list((tmp_path / "out").glob("*.exr"))) == 30
        assert "accepted" not in {e["event"] for e in events(ran)}
        assert videomatte("stop").status == 0


def test_a_daemon_that_does_not_come_back_leaves_a_job_that_can_be_followed(
    long_shot: Shot, videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with daemon_in(tmp_path / "d") as daemon:
        lead_to(daemon, monkeypatch)
        process = submitting_thirty(long_shot, tmp_path, patience=0.5)
        (job,) = events(videomatte("jobs", "--json"))
        daemon.kill()
        ran = ended(process)
        error = events(ran)[-1]
        assert (ran.status, error["code"]) == (5, "daemon.unreachable")
        assert f"Job {job['job']} is kept" in str(error["message"])
        daemon.start()
        assert f"videomatte submit --follow {job['job']}" in str(error["remedy"])
        assert videomatte("submit", "--follow", job["job"]).status == 0
        assert len(list((tmp_path / "out").glob("*.exr"))) == 30


def test_nobody_there_is_status_5_with_the_way_to_start_it(nobody: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path) -> None:
    for command in (*COMMANDS, typed("submit", shot, f"{tmp_path}/m/")):
        ran = videomatte(*command)
        assert ran.status == 5, command
        assert "videomatte serve" in ran.err
    (error,) = events(videomatte("status", "--json"))
    assert error["code"] == "daemon.unreachable"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_serve_stops_in_peace_and_says_where_clients_connect(nobody: Daemon, videomatte: Videomatte) -> None:
    for way in (signal.SIGTERM, signal.SIGINT, "stop"):
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge.cli", "serve", "--device", "cpu", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=nobody.environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert process.stdout is not None
        event = json.loads(process.stdout.readline())
        assert (event["event"], event["pid"], event["jobs"]) == ("serving", process.pid, 0)
        assert Path(event["control"].removeprefix("ipc://")).is_socket()
        if way == "stop":
            assert videomatte("stop").out == f"The daemon (process {process.pid}) has ended\n"
            assert not alive(process.pid)
        else:
            process.send_signal(way)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, json.loads(out)["event"]) == (0, "stopped")
        assert f"clients connect to {event['control']}; 0 jobs taken up again" in err
        assert "Traceback" not in err
        assert "stopped" in Path(event["log"]).read_text()
    assert not nobody.connection.exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 takes modules from where it stands")
def test_a_daemon_takes_no_modules_from_the_folder_it_is_started_in(nobody: Daemon, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("videomatte")
    if not script.exists():
        pytest.skip("videomatte is not installed beside this Python")
    (tmp_path / "zmq.py").write_text("raise SystemExit('from here')")
    command = [script, "serve", "--quiet", "--tcp", "127.0.0.1:0"]
    ran = subprocess.run(command, cwd=tmp_path, env=nobody.environment, capture_output=True, text=True, timeout=60)
    assert "from here" not in ran.stderr
    assert "There is no usable key" in ran.stderr


def test_keys_are_made_listed_allowed_and_revoked(nobody: Daemon, videomatte: Videomatte) -> None:
    made = videomatte("keys", "make", "client")
    public = made.out.strip()
    assert (made.status, len(public)) == (0, 40)
    file = nobody.folder / "config" / "videomatte" / "keys" / "client.key"
    secret = json.loads(file.read_text())["secret"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert videomatte("keys", "make", "client").status == 2
    assert videomatte("keys", "show", "client").out.strip() == public
    assert videomatte("keys", "allow", "anna", public).status == 0
    assert [(e["event"], e["client"], e["public"]) for e in events(videomatte("keys", "list", "--json"))] == [
        ("key", "client", public),
        ("allowed", "anna", public),
    ]
    shown = videomatte("keys", "list")
    assert public in shown.out
    assert secret not in shown.said + made.said
    assert videomatte("keys", "allow", "bert", "no key").status == 2
    assert videomatte("keys", "revoke", "anna").status == 0
    assert videomatte("keys", "revoke", "anna").status == 2
    assert [e["event"] for e in events(videomatte("keys", "list", "--json"))] == ["key"]


def test_only_clients_with_an_allowed_key_come_in_from_other_machines(
    nobody: Daemon, shot: Shot, videomatte: Videomatte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SECONDS", 1.5)
    assert "videomatte keys make server" in serve(nobody.environment, "--tcp", "127.0.0.1:0").stderr
    public = {name: videomatte("keys", "make", name).out.strip() for name in ("server", "client", "stranger")}
    refused = serve(nobody.environment, "--tcp", "127.0.0.1:0")
    assert refused.returncode == 3
    assert "No client key is allowed" in refused.stderr
    videomatte("keys", "allow", "friend", public["stranger"])
    nobody.settings = {"tcp": "127.0.0.1:0", "folders": [str(shot.folder), str(tmp_path / "out")]}
    nobody.start()
    try:
        assert videomatte("status").status == 0
        network = nobody.connection.with_name("network.json")
        assert public["server"] in network.read_text()
        monkeypatch.setenv("VIDEOMATTE_CONNECTION", str(network))
        ran = videomatte("status")
        assert ran.status == 5
        assert "videomatte keys" in ran.err
        videomatte("keys", "allow", "us", public["client"])
        assert until(lambda: videomatte("status").status == 0, seconds=20)
        assert videomatte(*typed("submit", shot, tmp_path / "out" / "m.####.exr", "--frames", "1002")).status == 0
        ran = videomatte(*typed("submit", shot, tmp_path / "elsewhere" / "m.####.exr"))
        assert ran.status == 3
        assert "--folder" in ran.err
    finally:
        nobody.kill()


def test_a_job_is_named_by_the_beginning_of_its_id_when_that_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = (JobState("ab12", "s", "solve", "done"), JobState("ab34", "s", "solve", "running"), JobState("cd56", "s", "solve", "queued"))
    more = (*jobs, JobState("cd78", "s", "preview", "running"))
    monkeypatch.setattr(asking, "asked", lambda _request: JobList(more))
    assert [job.job for job in asking.chosen(["ab12", "ab3", "cd5", "ab"])] == ["ab12", "ab34", "cd56", "ab34"]
    with pytest.raises(UsageError, match="cd56, cd78"):
        asking.chosen(["cd"])
    for text in ("", "ef"):
        with pytest.raises(UnknownJobError):
            asking.chosen([text])


def test_paths_are_whole_before_they_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/homes/anna")
    (tmp_path / "out").mkdir()
    said = Description(plate=" 'a.####.exr' ", trimap="~/k.####.png", out="out", foreground="fg/", garbage="/g/g.####.exr")
    assert located(said) == Description(
        plate=f"{tmp_path}/a.####.exr",
        trimap="/homes/anna/k.####.png",
        out=f"{tmp_path}/out/a_matte.####.exr",
        foreground=f"{tmp_path}/fg/a_foreground.####.exr",
        garbage="/g/g.####.exr",
    )


def test_what_is_typed_for_serve_comes_back_as_typed() -> None:
    settings = {"device": "cpu", "memory": size("1.5G"), "cpu_allowed": False, "folders": ["/a", "/b"], "path_map": [("P:/x", "/x")]}
    assert words(settings) == ["--device=cpu", "--memory=1610612736", "--no-cpu", "--folder=/a", "--folder=/b", "--map=P:/x=/x"]


@pytest.mark.parametrize(
    ("words_typed", "said"),
    [
        (["serve", "--memory", "much"], "'much' is not an amount"),
        (["serve", "--tcp", "7700"], "'7700' is not an address"),
        (["serve", "--folder", "/nowhere/at/all"], "there is no folder"),
        (["serve", "--map", "P:/x"], "not a pair"),
        (["serve", "--sessions", "0"], "'0' is not a whole number from 1"),
        (["serve", "--idle-release", "-1"], "not a number of seconds"),
        (["submit", "p.####.exr", "--out", "o"], "--trimap"),
        (["submit"], "PLATE, --trimap, --out"),
        (["cancel"], "ID"),
        (["keys"], "COMMAND"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(nobody: Daemon, videomatte: Videomatte, words_typed: list[str], said: str) -> None:
    ran = videomatte(*words_typed)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
