"""Starting the daemon from anywhere: once, for good, or with the reason why not."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Videomatte
from daemons import Daemon, alive, until

from bridge.launch import Launched, answering, launch, log_file
from bridge.wire.client import Client
from bridge.wire.errors import DaemonUnreachableError, UsageError
from bridge.wire.messages import DaemonShutdown

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX processes")
OPTIONS = ("--device=cpu",)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of this test's own; a daemon that is left there is stopped."""
    daemon = Daemon(tmp_path)
    (tmp_path / "runtime").mkdir(mode=0o700)
    with monkeypatch.context() as patched:
        for name, folder in daemon.environment.items():
            if name.startswith("XDG_"):
                patched.setenv(name, folder)
        yield tmp_path
        state = answering()
        if state is not None:
            with Client() as client, suppress(DaemonUnreachableError):
                client.call(DaemonShutdown(now=True))
            until(lambda: not alive(state.pid))


def children() -> set[int]:
    """Return the processes that this one started and that run."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split() if alive(int(pid))}


def test_a_daemon_is_started_once_and_outlives_who_started_it() -> None:
    first = launch(OPTIONS)
    assert (first.anew, first.log) == (True, log_file())
    assert os.getsid(first.pid) == first.pid, "a closed terminal would end it"
    assert first.log.stat().st_mode & 0o777 == 0o600
    second = launch(OPTIONS, command=("no such program",))
    assert (second.pid, second.anew) == (first.pid, False)
    state = answering()
    assert state is not None
    assert (state.pid, state.version) == (first.pid, first.version)


def test_two_who_start_it_at_the_same_time_get_the_same_one() -> None:
    before, found = children(), list[Launched]()
    threads = [threading.Thread(target=lambda: found.append(launch(OPTIONS))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len({one.pid for one in found}) == 1
    assert sorted(one.anew for one in found) == [False, False, True]
    until(lambda: children() - before <= {found[0].pid}, seconds=10)


def test_serve_with_detach_starts_it_or_says_that_it_runs(videomatte: Videomatte, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    ran = videomatte("serve", "--detach", "--device", "cpu", "--memory", "4G")
    assert ran.status == 0, ran.err
    state = answering()
    assert state is not None
    assert ran.out.startswith(f"The daemon is up: process {state.pid}")
    assert {device.memory_budget for device in state.devices} <= {4 << 30}
    again = videomatte("serve", "--detach", "--memory", "2G")
    assert again.status == 0
    assert again.out.startswith(f"The daemon is running already: process {state.pid}")
    assert "with the settings it was started with" in again.err


def test_why_it_does_not_start_is_said_as_the_daemon_said_it() -> None:
    with pytest.raises(UsageError, match="no usable key") as raised:
        launch(("--tcp=127.0.0.1:0",))
    assert "videomatte keys make server" in raised.value.remedy


@pytest.mark.parametrize(
    ("code", "said"), [("1 / 0", "ZeroDivisionError: division by zero"), ("pass", "it said nothing"), ("print('[1, 2]')", "[1, 2]")]
)
def test_a_daemon_that_breaks_gives_its_last_line_and_the_log(code: str, said: str) -> None:
    with pytest.raises(DaemonUnreachableError) as raised:
        launch(command=(sys.executable, "-c", code))
    assert raised.value.message == f"The daemon ended as it began: {said}"
    assert str(log_file()) in raised.value.remedy


def test_a_daemon_that_never_answers_is_not_waited_for_forever() -> None:
    with pytest.raises(DaemonUnreachableError, match=r"did not answer within 0\.5 s"):
        launch(command=(sys.executable, "-c", "import time; time.sleep(3)"), wait=0.5)


def test_a_program_that_is_not_there_is_an_error_and_not_a_traceback() -> None:
    with pytest.raises(DaemonUnreachableError, match="no such program cannot be started"):
        launch(command=("no such program",))


def test_the_log_of_starts_begins_anew_when_it_is_large() -> None:
    log_file().parent.mkdir(parents=True)
    log_file().write_bytes(b"x" * (1 << 20) + b"y")
    with pytest.raises(DaemonUnreachableError, match="it said nothing"):
        launch(command=(sys.executable, "-c", "pass"))
    assert log_file().stat().st_size == 0
    assert log_file().with_suffix(".old.log").exists()
