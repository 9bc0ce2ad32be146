"""The daemon as real processes: served shots, many clients, cancels, previews, restarts in peace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import Daemon, begun, contents, daemon_in, described, identities, solved, until
from shots import make_shot

from bridge.shot.request import request_of
from bridge.solve.run import solve
from bridge.wire.errors import CancelledError, DaemonUnreachableError, UnknownJobError
from bridge.wire.messages import DaemonRelease, DaemonShutdown, JobCancel, JobFollow, JobResult, Jobs, Models, Ping, Progress


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as running:
        yield running


def test_a_shot_is_solved_with_progress_and_the_bytes_of_a_lone_solve(daemon: Daemon, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=4, keys=(1001, 1004))
    description = described(shot, tmp_path / "out")
    with daemon.client() as client:
        job, stream = begun(client, description)
        *progress, result = stream
    assert isinstance(result, JobResult)
    assert (result.job, result.solved, result.kept, result.missing) == (job, "1001-1004", "", "")
    assert result.files.alpha == description.out
    told = [(p.stage, p.done, p.total) for p in progress if isinstance(p, Progress)]
    assert [t for t in told if t[0] == "matte"] == [("matte", n, 4) for n in range(1, 5)]
    assert [t for t in told if t[0] == "propagate"] == [("propagate", n, 4) for n in range(1, 5)]
    solve(request_of(described(shot, tmp_path / "alone")), tell=lambda _: None)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_what_is_solved_is_kept(daemon: Daemon, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=3)
    with daemon.client() as client:
        solved(client, described(shot, tmp_path / "out"))
        before = identities(tmp_path / "out")
        again = solved(client, described(shot, tmp_path / "out"))
    assert (again.solved, again.kept) == ("", "1001-1003")
    assert identities(tmp_path / "out") == before


def test_a_job_that_has_ended_can_be_followed_and_listed(daemon: Daemon, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=1)
    with daemon.client() as client:
        result = solved(client, described(shot, tmp_path / "out"))
        assert client.call(JobFollow(result.job)) == result
        listed = {job.job: job.state for job in client.call(Jobs(all=True)).jobs}
        assert listed[result.job] == "done"
        with pytest.raises(UnknownJobError):
            client.call(JobFollow("nothing"))
        client.call(JobCancel(result.job))
        assert client.call(JobFollow(result.job)) == result


def test_a_job_is_cancelled_in_the_middle_of_a_segment(daemon: Daemon, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=40)
    with daemon.client() as client:
        job, stream = begun(client, described(shot, tmp_path / "out"))
        step = next(stream)
        assert isinstance(step, Progress)
        assert step.stage == "propagate"
        with daemon.client() as other:
            other.call(JobCancel(job))
        with pytest.raises(CancelledError, match=job):
            list(stream)
    until(lambda: {d.state for d in daemon.state().devices} == {"idle"})
    assert not list((tmp_path / "out").glob("*"))
    until(lambda: not daemon.scratch)


def test_a_job_is_cancelled_while_it_mattes_and_keeps_what_landed(daemon: Daemon, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=12, keys=tuple(range(1001, 1013)))
    with daemon.client() as client:
        job, stream = begun(client, described(shot, tmp_path / "out"))
        landed = next(p for p in stream if isinstance(p, Progress) and p.stage == "matte")
        client.call(JobCancel(job))
        with pytest.raises(CancelledError):
            list(stream)
        until(lambda: {d.state for d in daemon.state().devices} == {"idle"})
        before = identities(tmp_path / "out")
        assert 1 <= len(before) < 12
        assert landed.done == 1
        rest = solved(client, described(shot, tmp_path / "out"))
    after = identities(tmp_path / "out")
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
    assert len(rest.kept.split(",")) >= 1


def test_models_ping_and_release_are_answered(daemon: Daemon, tmp_path: Path) -> None:
    with daemon.client() as client:
        client.call(Ping())
        assert {model.name for model in client.call(Models()).models} == {"propagation", "matting", "steadying"}
        until(lambda: {d.state for d in daemon.state().devices} == {"idle"})
        assert client.call(DaemonRelease()).devices == ("cpu",)
        until(lambda: not daemon.state().devices)
        assert solved(client, described(make_shot(tmp_path, frames=1), tmp_path / "out")).solved == "1001"


@pytest.mark.slow
def test_eight_clients_at_once_get_exactly_the_bytes_of_lone_solves(tmp_path: Path) -> None:
    shots = [make_shot(tmp_path / f"s{n}", frames=3 + n % 3, width=48 + 8 * n, height=40, keys=(1001, 1003)) for n in range(8)]
    results: dict[int, JobResult] = {}
    with daemon_in(tmp_path / "d") as running:

        def ask(n: int) -> None:
            with running.client(name=f"c{n}", patience=60) as client:
                results[n] = solved(client, described(shots[n], tmp_path / f"out{n}"))

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(180)
    assert sorted(results) == list(range(8))
    for n, shot in enumerate(shots):
        solve(request_of(described(shot, tmp_path / f"alone{n}")), tell=lambda _: None)
        assert contents(tmp_path / f"out{n}") == contents(tmp_path / f"alone{n}")


@pytest.mark.slow
def test_a_daemon_that_is_stopped_takes_its_jobs_up_again(tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=30, keys=tuple(range(1001, 1031)))
    with daemon_in(tmp_path / "d") as daemon, daemon.client(patience=60) as client:
        job, stream = begun(client, described(shot, tmp_path / "out"))
        next(p for p in stream if isinstance(p, Progress) and p.stage == "matte")
        assert daemon.terminate() == 0
        assert not daemon.connection.exists()
        assert not (daemon.folder / "shared").exists()
        before = identities(tmp_path / "out")
        assert 1 <= len(before) < 30
        daemon.start()
        told = [p for p in stream if isinstance(p, Progress) and p.stage == "matte"]
        result = client.call(JobFollow(job))
    assert told[-1].done == told[-1].total == 30
    assert isinstance(result, JobResult)
    assert result.solved == "1001-1030"
    after = identities(tmp_path / "out")
    assert {name: after[name] for name in before} == before


@pytest.mark.slow
def test_a_daemon_stops_at_once_when_it_must_and_leaves_nothing_running(tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=40)
    with daemon_in(tmp_path / "d") as daemon:
        with daemon.client() as client:
            _, stream = begun(client, described(shot, tmp_path / "out"))
            next(stream)
            workers = daemon.workers()
            client.call(DaemonShutdown(now=True))
        assert daemon.process is not None
        assert daemon.process.wait(5) == 0
        assert workers
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), seconds=5)
        with daemon.client() as client, pytest.raises(DaemonUnreachableError):
            client.call(Ping(), timeout=2)
