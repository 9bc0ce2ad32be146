"""What a watcher shows: the page in a terminal, and the numbers for Prometheus."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bridge.watch import metrics
from bridge.watch.runner import Runner, Step
from bridge.watch.tracked import State
from bridge.watch.view import page
from bridge.watch.watcher import Choices, Watcher
from bridge.wire.errors import UsageError


@pytest.fixture
def watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """A watcher that looked once at two shots and runs nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("sh010", "sh020"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for frame in range(1001, 1005):
            (tmp_path / "in" / name / f"plate.{frame}.exr").touch()
    made = Watcher(Choices(tmp_path / "in", tmp_path / "out"), runner=lambda stopped: Runner(stopped=stopped), say=lambda change: None)
    made.look()
    yield made
    made._ledger.close()


def drawn(watcher: Watcher, *, rows: int = 10) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(page(watcher, rows=rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_page_tells_what_each_shot_waits_for_and_how_far_it_is(watcher: Watcher) -> None:
    shot = watcher.shots["sh010"]
    shot.state = State.SOLVING
    shot.stepped(Step("job", "matte", 3, 4), now=0.0)
    text = drawn(watcher)
    assert "1 solving, 1 waiting" in text
    assert "3/4" in text
    assert "a trimap" in text
    assert text.index("sh010") < text.index("sh020"), "shots in work come first"


def test_a_page_that_is_too_short_says_how_many_more_there_are(watcher: Watcher) -> None:
    assert "and 1 more" in drawn(watcher, rows=1)


def test_prometheus_is_answered_on_its_path_alone(watcher: Watcher) -> None:
    with metrics.served(watcher, "0") as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/")
        refused.value.close()
    assert 'videomatte_watch_shots{state="waiting"} 2' in lines
    assert "videomatte_watch_files 8" in lines
    assert "videomatte_watch_looks_total 1" in lines


@pytest.mark.parametrize(
    ("where", "said"), [("port", "'port' is no port"), ("99999", "'99999' is no port"), ("no.such.host.invalid:1", "")]
)
def test_a_port_that_cannot_be_had_is_an_error(watcher: Watcher, where: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"--metrics {where}: {said}") as refused, metrics.served(watcher, where):
        pass
    assert "from 1 to 65535" in refused.value.remedy
    assert not refused.value.message.endswith("..")


def test_results_need_a_folder_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Watcher(Choices(tmp_path, tmp_path), runner=lambda stopped: Runner(stopped=stopped), say=lambda change: None)
