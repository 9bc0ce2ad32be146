"""What must not end the daemon, lose a job or solve a frame twice: killed processes, full disks, clients that misbehave."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
import zmq
from daemons import Daemon, alive, begun, contents, daemon_in, described, identities, solved, until
from shots import make_shot

from bridge.shot.request import request_of
from bridge.solve.run import solve
from bridge.wire.client import Client
from bridge.wire.codec import PREAMBLE, encode
from bridge.wire.connection import read_connection
from bridge.wire.errors import DaemonUnreachableError, NotGreetedError, StorageError, WorkerDiedError
from bridge.wire.messages import DaemonStatus, Hello, JobCancel, JobFollow, JobResult, Jobs, Ping, Progress

pytestmark = pytest.mark.slow
MANY = tuple(range(1001, 1031))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as running:
        yield running


def matting(stream: object) -> Progress:
    """Wait until the first frame of a job has landed."""
    return next(p for p in stream if isinstance(p, Progress) and p.stage == "matte")  # type: ignore[attr-defined]


def raw(daemon: Daemon, *, receive: int = 1000, kind: str = "control") -> tuple[zmq.Context[zmq.Socket[bytes]], zmq.Socket[bytes]]:
    """Return a DEALER that says nothing by itself."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.setsockopt(zmq.RCVHWM, receive)
    dealer.connect(getattr(read_connection(daemon.connection), kind))
    return context, dealer


def hang_up(context: zmq.Context[zmq.Socket[bytes]], dealer: zmq.Socket[bytes]) -> None:
    dealer.close()
    context.term()


def is_served(daemon: Daemon, folder: Path) -> None:
    """A client that behaves gets a shot solved."""
    with daemon.client() as client:
        assert solved(client, described(make_shot(folder, frames=1, width=48, height=32), folder / "served")).solved == "1001"


@pytest.mark.parametrize("stage", ["propagate", "matte"])
def test_a_worker_that_is_killed_is_replaced_and_no_finished_frame_is_solved_twice(daemon: Daemon, tmp_path: Path, stage: str) -> None:
    shot = make_shot(tmp_path, frames=30, keys=MANY if stage == "matte" else (1001, 1030))
    with daemon.client(patience=60) as client:
        _, stream = begun(client, described(shot, tmp_path / "out"))
        next(p for p in stream if isinstance(p, Progress) and p.stage == stage)
        (worker,) = daemon.workers()
        os.kill(worker, signal.SIGKILL)
        before = identities(tmp_path / "out")
        *told, result = stream
    assert isinstance(result, JobResult)
    assert result.solved == "1001-1030"
    after = identities(tmp_path / "out")
    assert len(after) == 30
    assert {name: after[name] for name in before} == before
    assert daemon.workers() != [worker]
    assert all(isinstance(p, Progress) and p.done <= p.total for p in told)
    solve(request_of(described(shot, tmp_path / "alone")), tell=lambda _: None)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_a_worker_that_is_killed_while_it_starts_is_started_again(tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=1)
    with daemon_in(tmp_path / "d") as daemon, daemon.client(patience=60) as client:
        _, stream = begun(client, described(shot, tmp_path / "out"))
        (starting,) = daemon.state().devices
        assert starting.state == "starting"
        assert starting.pid
        os.kill(starting.pid, signal.SIGKILL)
        *_, result = stream
    assert isinstance(result, JobResult)


def test_a_job_whose_worker_dies_three_times_fails_alone_with_the_reason(tmp_path: Path) -> None:
    shot, other = make_shot(tmp_path / "a", frames=60), make_shot(tmp_path / "b", frames=1)
    with daemon_in(tmp_path / "d") as daemon, daemon.client(patience=60) as client, daemon.client(patience=60) as second:
        job, stream = begun(client, described(shot, tmp_path / "out"))
        later, patient = begun(second, described(other, tmp_path / "other"))
        dead: list[int] = []
        for _ in range(3):
            dead.append(until(lambda: [d.pid for d in daemon.state().devices if d.job == job and d.pid not in dead])[0])
            until(lambda: any(j.stage == "propagate" and j.job == job for j in daemon.state().jobs))
            os.kill(dead[-1], signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match=r"given up.*SIGKILL"):
            list(stream)
        *_, result = patient
        assert isinstance(result, JobResult)
        assert result.job == later


def test_a_killed_front_comes_back_with_its_queue_and_solves_no_finished_frame_twice(tmp_path: Path) -> None:
    shot, queued = make_shot(tmp_path / "a", frames=30, keys=MANY), make_shot(tmp_path / "b", frames=2)
    with daemon_in(tmp_path / "d") as daemon:
        with daemon.client(patience=60) as client, daemon.client(patience=60) as second:
            job, stream = begun(client, described(shot, tmp_path / "out"))
            waiting, patient = begun(second, described(queued, tmp_path / "queued"))
            matting(stream)
            (worker,) = daemon.workers()
            daemon.kill()
            until(lambda: not alive(worker), seconds=10)
            before = identities(tmp_path / "out")
            assert daemon.connection.exists()
            with daemon.client() as late:
                at = time.monotonic()
                with pytest.raises(DaemonUnreachableError):
                    late.call(Ping())
                assert time.monotonic() - at < 2.0
            daemon.start()
            *_, first = stream
            *_, second_result = patient
        assert isinstance(first, JobResult)
        assert isinstance(second_result, JobResult)
        assert (first.job, second_result.job) == (job, waiting)
        assert (first.solved, second_result.solved) == ("1001-1030", "1001-1002")
    after = identities(tmp_path / "out")
    assert len(after) == 30
    assert {name: after[name] for name in before} == before
    solve(request_of(described(shot, tmp_path / "alone")), tell=lambda _: None)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


CLIENT = """
import sys, pathlib
from bridge.wire.client import Client
from bridge.wire.description import Description
client = Client(connection=pathlib.Path(sys.argv[1]))
for said in client.solve(client.open(Description(plate=sys.argv[2], trimap=sys.argv[3], out=sys.argv[4]))):
    print(said.job, flush=True)
"""


def test_a_job_goes_on_without_the_client_that_was_killed_and_can_be_followed(daemon: Daemon, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=20, keys=MANY[:20])
    asked = described(shot, tmp_path / "out")
    command = [sys.executable, "-c", CLIENT, str(daemon.connection), shot.plate, shot.keys, str(asked.out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        job = process.stdout.readline().strip()
        process.kill()
    with daemon.client() as client:
        *_, result = client.stream(JobFollow(job))
    assert isinstance(result, JobResult)
    assert result.solved == "1001-1020"


def test_a_full_disk_fails_the_job_that_meets_it_and_others_are_served(tmp_path: Path) -> None:
    large = make_shot(tmp_path / "a", frames=2, width=320, height=256)
    with daemon_in(tmp_path / "d", most_bytes=300_000) as daemon:
        with daemon.client(patience=60) as client:
            _, stream = begun(client, described(large, tmp_path / "out", foreground=str(tmp_path / "fg" / "fg.####.exr")))
            with pytest.raises(StorageError):
                list(stream)
        for n in range(3):
            is_served(daemon, tmp_path / f"s{n}")
    assert not [path for path in (tmp_path / "fg").glob("*") if path.name.startswith("fg.")]


def test_a_queue_that_cannot_be_written_any_more_ends_no_job_and_no_daemon(tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=2, width=48, height=32)
    with daemon_in(tmp_path / "d", most_bytes=90_000) as daemon:
        with daemon.client(patience=60) as client:
            outcomes = []
            for n in range(60):
                try:
                    outcomes.append(solved(client, described(shot, tmp_path / f"out{n % 2}")).job)
                except StorageError:
                    outcomes.append("")
            client.call(Ping())
            assert outcomes[0]
            assert "" in outcomes, "the limit was never met"
        assert daemon.process is not None
        assert daemon.process.poll() is None


def test_a_client_that_never_reads_keeps_nobody_waiting_and_little_memory(daemon: Daemon, tmp_path: Path) -> None:
    before = daemon.state().memory
    context, slow = raw(daemon, receive=1)
    slow.send_multipart(encode(Hello("slow"), request=1))
    for n in range(20_000):
        try:
            slow.send_multipart(encode(Jobs(all=True), request=n + 2), zmq.DONTWAIT)
        except zmq.Again:
            break
    with daemon.client() as client:
        at = time.monotonic()
        client.call(Ping(), timeout=5.0)
        assert time.monotonic() - at < 2.0
    is_served(daemon, tmp_path)
    assert daemon.state().memory - before < 200_000_000
    hang_up(context, slow)


def test_garbage_is_answered_with_an_error_or_not_at_all_and_others_are_served(daemon: Daemon, tmp_path: Path) -> None:
    context, dealer = raw(daemon)
    hello = encode(Hello("x"), request=1)
    wrong: list[list[bytes]] = [
        [b""],
        [b"\0" * 1000],
        [b"x"] * 30,
        [PREAMBLE],
        [PREAMBLE, b"\xff" * 50],
        [PREAMBLE, msgpack.packb({"request": 7, "type": "ping", "body": {}})],
        [PREAMBLE, msgpack.packb({"request": 7, "type": "nothing.known", "body": {}})],
        [PREAMBLE, msgpack.packb({"request": -1, "type": "hello", "body": {"client": 3}})],
        [b"VMAT\x09\x00", bytes(hello[1])],
    ]
    for frames in wrong:
        dealer.send_multipart(frames)
    answers = []
    while dealer.poll(2000):
        answers.append(msgpack.unpackb(dealer.recv_multipart()[1]))
        if len(answers) == len(wrong):
            break
    assert {answer["type"] for answer in answers} == {"error"}
    assert {answer["body"]["code"] for answer in answers} >= {"protocol", "protocol.hello", "protocol.unknown", "protocol.version"}
    hang_up(context, dealer)
    is_served(daemon, tmp_path)


def test_oversized_messages_end_the_line_that_sent_them_alone(daemon: Daemon, tmp_path: Path) -> None:
    context, dealer = raw(daemon)
    dealer.send_multipart([PREAMBLE, b"\0" * (3 << 20)])
    assert dealer.poll(1000) == 0
    hang_up(context, dealer)
    is_served(daemon, tmp_path)


def test_bytes_that_are_no_zeromq_and_lines_that_stay_half_open_harm_nobody(daemon: Daemon, tmp_path: Path) -> None:
    connection = read_connection(daemon.connection)
    lines = []
    for n in range(60):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.connect((connection.control if n % 2 else connection.pixels).removeprefix("ipc://"))
        if n % 3 == 0:
            line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        elif n % 3 == 1:
            line.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03")
        lines.append(line)
    is_served(daemon, tmp_path)
    for line in lines:
        line.close()


def test_clients_that_come_and_go_leave_no_session_that_keeps_others_out(daemon: Daemon) -> None:
    for n in range(150):
        context, dealer = raw(daemon)
        dealer.send_multipart(encode(Hello(f"gone {n}"), request=1))
        assert dealer.poll(5000)
        hang_up(context, dealer)
    assert daemon.state().sessions <= 64


def test_the_pixel_endpoint_is_for_sessions_alone(daemon: Daemon) -> None:
    context, dealer = raw(daemon, kind="pixels")
    dealer.send_multipart(encode(Hello("x", session="guessed"), request=1))
    assert dealer.poll(5000)
    assert msgpack.unpackb(dealer.recv_multipart()[1])["body"]["code"] == NotGreetedError.code
    hang_up(context, dealer)


SENDER = """
import sys, pathlib
from bridge.wire.client import Client
from bridge.wire.description import Description
from bridge.wire.messages import ShotFrame
from bridge.wire.pixels import InlinePixels
client = Client(name="large", connection=pathlib.Path(sys.argv[1]), patience=60)
shot = client.open(Description(), folder=sys.argv[2])
payload = bytes(100_000_000)
for frame in range(1001, 1005):
    client.call(ShotFrame(shot, frame, InlinePixels("float32", (2500, 2500, 4))), parts=[payload], timeout=120)
    print(frame, flush=True)
"""


def test_small_questions_are_answered_while_large_frames_move_and_the_device_is_busy(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy, waits = make_shot(tmp_path / "busy", frames=60), list[float]()
    command = [sys.executable, "-c", SENDER, str(daemon.connection), str(tmp_path / "large.vmatte")]
    with daemon.client(patience=60) as client, daemon.client(patience=60) as quick:
        job, _ = begun(client, described(busy, tmp_path / "out"))
        until(lambda: any(d.state == "busy" for d in daemon.state().devices))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
            while sender.poll() is None:
                at = time.perf_counter()
                quick.call(Ping(), timeout=30) if len(waits) % 2 else quick.call(DaemonStatus(), timeout=30)
                waits.append(time.perf_counter() - at)
                time.sleep(0.005)
            assert sender.stdout is not None
            assert sender.stdout.read().split() == ["1001", "1002", "1003", "1004"]
        at = time.perf_counter()
        quick.call(JobCancel(job))
        cancelled = time.perf_counter() - at
    with capsys.disabled():
        ordered = sorted(1000 * w for w in waits)
        middle, most = statistics.median(ordered), ordered[-1]
        print(f"\n{len(waits)} questions: median {middle:.1f} ms, 99 % {ordered[int(0.99 * len(ordered))]:.1f} ms, most {most:.1f} ms")
        print(f"cancel {1000 * cancelled:.1f} ms")
    assert len(waits) > 20, "questions waited for the large frames"


def test_ten_thousand_small_requests_leak_neither_memory_nor_descriptors(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(client: Client, times: int) -> None:
        for _ in range(times):
            client.call(Ping())
            client.call(DaemonStatus())
            client.call(Jobs(all=True))

    with daemon.client() as client:
        ask(client, 300)
        before = _resident(daemon.pid), _descriptors(daemon.pid)
        ask(client, 3_400)
        after = _resident(daemon.pid), _descriptors(daemon.pid)
    with capsys.disabled():
        print(f"\nresident {before[0] / 1e6:.1f} → {after[0] / 1e6:.1f} MB, descriptors {before[1]} → {after[1]}")
    assert after[1] == before[1]
    assert after[0] - before[0] < 8_000_000


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
