"""The client against a small daemon in a thread: asking, ticking, restarts, silence, nonsense, keys."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire_server import Server

from bridge.wire.client import Client
from bridge.wire.connection import Connection, read_connection, write_connection
from bridge.wire.curve import make_key
from bridge.wire.description import Description
from bridge.wire.errors import DaemonUnreachableError, LocalProtocolError, UnknownJobError, UnknownShotError, UsageError, VersionError
from bridge.wire.messages import (
    DaemonShutdown,
    Done,
    Error,
    FrameResult,
    JobAccepted,
    JobCancel,
    JobResult,
    Message,
    Ping,
    Pong,
    Progress,
    ShotKey,
    ShotResult,
    ShotSolve,
)
from bridge.wire.pixels import InlinePixels

PLATE = Description(plate="plate.####.exr")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("d")
    place.chmod(0o700)
    return place


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    yield server
    server.stop()


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    with Client(name="test", connection=folder / "daemon.json", patience=1.0) as client:
        yield client


def polled(client: Client, *, until: int, seconds: float = 5.0) -> list[Message]:
    """Tick as a host does until so many messages came."""
    came: list[Message] = []
    deadline = time.monotonic() + seconds
    while len(came) < until and time.monotonic() < deadline:
        came += [envelope.message for envelope in client.poll()]
        time.sleep(0.005)
    return came


def test_a_call_returns_the_reply(server: Server, client: Client) -> None:
    assert client.call(Ping()) == Pong()
    assert client.welcome is not None
    assert client.welcome.session == "s1"
    assert (server.heard, server.names) == (["hello", "ping"], ["test"])


def test_a_solve_tells_its_progress_and_ends(server: Server, client: Client) -> None:
    shot = client.open(PLATE)
    told = list(client.solve(shot, frames="4"))
    assert [type(message) for message in told] == [JobAccepted, *[Progress] * 4, JobResult]
    assert [message.done for message in told if isinstance(message, Progress)] == [1, 2, 3, 4]


def test_an_error_is_raised_as_its_own_class(server: Server, client: Client) -> None:
    with pytest.raises(UnknownJobError, match="No job 'j9' runs") as caught:
        client.call(JobCancel("j9"))
    assert caught.value.remedy == "See: videomatte jobs"
    with pytest.raises(UnknownShotError):
        list(client.solve("nowhere"))
    assert client.call(Ping()) == Pong()


def test_a_host_that_ticks_gets_every_answer_in_order(server: Server, client: Client) -> None:
    shot = client.open(PLATE)
    job, ping = client.send(ShotSolve(shot, "2")), client.send(Ping())
    came = []
    while len(came) < 5:
        came += [(envelope.request, type(envelope.message)) for envelope in client.poll(wait=1)]
    assert [kind for request, kind in came if request == job] == [JobAccepted, Progress, Progress, JobResult]
    assert [kind for request, kind in came if request == ping] == [Pong]


def test_what_others_wait_for_is_kept_while_a_call_waits(server: Server, client: Client) -> None:
    first = client.send(Ping())
    assert client.call(Ping()) == Pong()
    assert [(envelope.request, envelope.message) for envelope in client.poll()] == [(first, Pong())]


def test_a_poll_does_not_wait(server: Server, client: Client) -> None:
    client.call(Ping())
    server.silent = True
    client.send(Ping())
    began = time.monotonic()
    assert [client.poll() for _ in range(200)] == [[]] * 200
    assert time.monotonic() - began < 0.5
    assert client.poll(wait=0.1) == []
    assert time.monotonic() - began < 0.8


def test_without_a_daemon_the_answer_comes_at_once_and_names_address_and_command(folder: Path, client: Client) -> None:
    began = time.monotonic()
    with pytest.raises(DaemonUnreachableError, match="No daemon is running") as caught:
        client.call(Ping())
    assert time.monotonic() - began < 0.5
    assert str(folder / "daemon.json") in caught.value.message
    assert "videomatte serve" in caught.value.remedy


def test_a_daemon_that_was_killed_is_noticed_at_once(folder: Path, client: Client) -> None:
    Server(folder).stop(tidy=False)
    began = time.monotonic()
    with pytest.raises(DaemonUnreachableError, match=r"No daemon answers at ipc://.*control\.sock"):
        client.call(Ping())
    assert time.monotonic() - began < 0.5


def test_a_daemon_that_starts_later_is_found(folder: Path, client: Client) -> None:
    with pytest.raises(DaemonUnreachableError):
        client.call(Ping())
    server = Server(folder)
    assert client.call(Ping()) == Pong()
    server.stop()


def test_a_daemon_that_says_nothing_ends_every_request_once_after_the_patience(server: Server, client: Client) -> None:
    client.call(Ping())
    server.silent = True
    began = time.monotonic()
    asked = [client.send(Ping()), client.send(ShotSolve("s"))]
    came = client.poll(wait=5)
    assert 0.9 < time.monotonic() - began < 3
    assert [(envelope.request, envelope.message.code) for envelope in came if isinstance(envelope.message, Error)] == [
        (request, "daemon.unreachable") for request in asked
    ]
    assert client.poll(wait=0.3) == []


def test_time_can_be_limited(server: Server, client: Client) -> None:
    client.call(Ping())
    server.silent = True
    with pytest.raises(DaemonUnreachableError, match=r"did not answer ping within 0\.2 s"):
        client.call(Ping(), timeout=0.2)
    server.silent = False
    assert client.call(Ping()) == Pong()


@pytest.mark.parametrize("tidy", [False, True])
def test_after_a_restart_jobs_are_followed_and_the_rest_is_asked_again(folder: Path, client: Client, tidy: bool) -> None:
    first = Server(folder)
    shot = client.open(PLATE)
    job = client.send(ShotSolve(shot, "held"))
    assert polled(client, until=1) == [JobAccepted("j1")]
    first.silent = True
    ping = client.send(Ping())
    polled(client, until=1, seconds=0.2)
    first.stop(tidy=tidy)
    second = Server(folder)
    second.jobs = first.jobs
    ends = {}
    while len(ends) < 2:
        ends.update({envelope.request: type(envelope.message) for envelope in client.poll(wait=3)})
    assert ends == {job: JobResult, ping: Pong}
    assert second.heard == ["hello", "shot.open", "job.follow", "ping"]
    assert client.call(ShotKey(shot, 1, "remove")) == Done()
    second.stop()


def test_a_restart_is_noticed_without_the_connection_file_too(folder: Path, client: Client) -> None:
    first = Server(folder)
    shot = client.open(PLATE)
    first.stop(tidy=False)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    second = Server(folder, file=elsewhere / "daemon.json")
    assert read_connection(folder / "daemon.json").started == first.connection.started
    time.sleep(0.3)
    assert client.call(ShotKey(shot, 1, "remove")) == Done()
    assert second.heard[-3:] == ["hello", "shot.open", "shot.key"]
    second.stop()


def test_a_shot_that_cannot_be_opened_again_is_said_by_the_request_that_needs_it(
    folder: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    first = Server(folder)
    shot = client.open(PLATE)
    first.stop()
    second = Server(folder)
    second.refuses_shots = True
    with pytest.raises(UnknownShotError, match="No shot 'shot plate"):
        client.call(ShotKey(shot, 1, "remove"))
    assert "was not opened again" in caplog.text
    second.stop()


def test_a_daemon_that_came_and_went_leaves_a_client_that_works(folder: Path, client: Client) -> None:
    for _ in range(3):
        server = Server(folder)
        shot = client.open(PLATE)
        assert client.call(ShotKey(shot, 1, "remove")) == Done()
        server.stop(tidy=False)
        client.close()
        with pytest.raises(DaemonUnreachableError):
            client.call(Ping(), timeout=2)


def test_a_shutdown_may_be_the_first_thing_that_is_asked(server: Server, client: Client) -> None:
    assert client.call(DaemonShutdown()) == Done()
    assert server.heard == ["hello", "daemon.shutdown"]


def test_a_new_daemon_is_not_shut_down_by_an_old_request(folder: Path, client: Client) -> None:
    first = Server(folder)
    client.call(Ping())
    first.silent = True
    client.send(DaemonShutdown())
    polled(client, until=1, seconds=0.1)
    first.stop()
    second = Server(folder)
    (end,) = polled(client, until=1)
    assert isinstance(end, Error)
    assert end.code == "daemon.unreachable"
    assert client.call(Ping()) == Pong()
    assert "daemon.shutdown" not in second.heard
    second.stop()


def test_leaving_a_solve_leaves_nothing_behind(server: Server, client: Client) -> None:
    shot = client.open(PLATE)
    for message in client.solve(shot, frames="500"):
        if isinstance(message, Progress):
            break
    assert client.call(Ping()) == Pong()
    assert client.poll(wait=0.1) == []


def test_pixels_go_there_and_come_back_beside_the_header(server: Server, client: Client) -> None:
    shot = client.open(PLATE)
    assert client.call(ShotKey(shot, 1001, "set", InlinePixels("uint8", (2, 2))), parts=[b"abcd"]) == Done()
    assert server.keys == {f"{shot} 1001": b"abcd"}
    result, pixels = client.pixels(ShotResult(shot, 1001, how="inline"))
    assert result == FrameResult(1001, "solved", InlinePixels("float16", (2, 3)))
    assert pixels is not None
    assert bytes(pixels) == b"\x00\x38" * 6
    assert server.heard.count("hello") == 2


def test_a_large_part_arrives_whole(server: Server, client: Client) -> None:
    shot = client.open(PLATE)
    raw = os.urandom(1 << 20) * 32
    client.call(ShotKey(shot, 1, "set", InlinePixels("float32", (2048, 4096))), parts=[raw])
    assert server.keys[f"{shot} 1"] == raw


def test_a_message_that_cannot_be_sent_leaves_no_trace(server: Server, client: Client) -> None:
    with pytest.raises(LocalProtocolError):
        client.send(ShotKey("s", 1, "set", InlinePixels("uint8", (2, 2))), parts=[b"abc"])
    assert client.call(Ping()) == Pong()
    assert client.poll(wait=0.1) == []


@pytest.mark.parametrize("nonsense", [[b""], [b"VMAT\x01\x00", b"\xc1"], [b"a"] * 20])
def test_nonsense_from_the_daemon_is_logged_and_survived(
    server: Server, client: Client, nonsense: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    client.call(Ping())
    server.instead = nonsense
    with pytest.raises(DaemonUnreachableError):
        client.call(Ping(), timeout=0.3)
    assert "WARNING" in caplog.text
    server.instead = []
    assert client.call(Ping()) == Pong()


def test_a_reply_that_makes_no_sense_ends_its_request(server: Server, client: Client) -> None:
    client.call(Ping())
    request = client.send(Ping())
    client.poll(wait=1)
    header = b"\x83\xa7request" + bytes([request + 1]) + b"\xa4type\xa8job.list\xa4body\x80"
    server.instead = [b"VMAT\x01\x00", header]
    assert client.send(Ping()) == request + 1
    ((end),) = polled(client, until=1)
    assert isinstance(end, Error)
    assert (end.code, "jobs is missing" in end.message) == ("protocol", True)


def test_a_daemon_of_another_major_version_is_said_at_once(folder: Path, client: Client) -> None:
    server = Server(folder)
    server.instead = [b"VMAT\x02\x00", b"in words of its own"]
    with pytest.raises(VersionError, match=r"speaks protocol 2\.0, this one 1\.0"):
        client.call(Ping(), timeout=3)
    server.stop()


def test_a_client_belongs_to_its_thread(server: Server, client: Client) -> None:
    client.call(Ping())
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            client.poll()
        except UsageError as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert client.call(Ping()) == Pong()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_may_close_its_copy_and_the_parent_goes_on(server: Server, client: Client) -> None:
    client.call(Ping())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.poll()
        except UsageError:
            client.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert client.call(Ping()) == Pong()


@pytest.mark.parametrize("own_key", [False, True])
def test_over_tcp_both_sides_show_their_keys(folder: Path, own_key: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(folder, curve=True)
    assert server.connection.control.startswith("tcp://127.0.0.1:")
    file = folder / "daemon.json"
    if own_key:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        make_key("client")
        file = folder / "remote" / "daemon.json"
        write_connection(
            Connection(server.connection.control, server.connection.pixels, server_key=server.connection.server_key), path=file
        )
    with Client(connection=file, patience=2) as client:
        assert client.call(Ping()) == Pong()
        result, pixels = client.pixels(ShotResult(client.open(PLATE), 1, how="inline"))
    assert (result.frame, pixels is not None) == (1, True)
    server.stop()


def test_without_a_key_of_ones_own_a_remote_daemon_is_not_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(folder, curve=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    file = folder / "remote" / "daemon.json"
    write_connection(Connection(server.connection.control, server.connection.pixels, server_key=server.connection.server_key), path=file)
    with Client(connection=file) as client, pytest.raises(UsageError, match=r"client\.key"):
        client.call(Ping())
    server.stop()


def test_a_wrong_server_key_is_no_way_in(folder: Path) -> None:
    server, other = Server(folder, curve=True), "A" * 40
    file = folder / "remote" / "daemon.json"
    us = server.connection
    write_connection(
        Connection(us.control, us.pixels, server_key=other, client_public=us.client_public, client_secret=us.client_secret), path=file
    )
    with Client(connection=file, patience=0.5) as client, pytest.raises(DaemonUnreachableError, match=r"has not answered for 0\.5 s"):
        client.call(Ping())
    assert server.heard == []
    server.stop()


def test_more_requests_than_may_be_open_wait_for_their_turn(server: Server, client: Client) -> None:
    asked = [client.send(Ping()) for _ in range(600)]
    answered: list[int] = []
    while len(answered) < 600:
        answered += [envelope.request for envelope in client.poll(wait=2)]
    assert answered == asked


def test_thousands_of_requests_and_many_clients_leak_no_descriptors(server: Server, client: Client, folder: Path) -> None:
    client.call(Ping())

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Client(connection=folder / "daemon.json") as warm:
        warm.call(Ping())
    time.sleep(0.1)
    before = descriptors()
    for _ in range(1000):
        client.call(Ping())
    assert descriptors() <= before
    for _ in range(20):
        with Client(connection=folder / "daemon.json") as other:
            other.call(Ping())
    time.sleep(0.1)
    assert descriptors() <= before
