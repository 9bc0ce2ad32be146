"""Shots that several clients opened: each is served as it opened the shot itself, and none waits for another's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import zmq
from shots import Shot as Painted
from vmatte import painted

from bridge.daemon import shots
from bridge.daemon.configuration import Configuration
from bridge.daemon.doors import Door
from bridge.daemon.jobs import Jobs
from bridge.daemon.post import Clerks
from bridge.daemon.sessions import Peer, Session
from bridge.daemon.shots import Opened, Shots
from bridge.wire import messages as wire
from bridge.wire.description import Description
from bridge.wire.errors import VideoMatteError
from bridge.wire.mapping import PathMap


class Host(Peer):
    """A client of this machine that keeps what it is told."""

    def __init__(self, name: str) -> None:
        super().__init__(Door("control", False, "inproc://none", cast("zmq.Socket[bytes]", None)), b"")
        self.session = Session(name, name, PathMap(()), None)
        self.told: list[wire.Message | VideoMatteError] = []

    def say(self, message: wire.Message, *, request: int, parts: object = ()) -> None:
        self.told.append(message)

    def fail(self, error: VideoMatteError, *, request: int) -> None:
        self.told.append(error)


@dataclass
class Front:
    """Shots with clerks that do their work when told, and jobs that are taken in and no more."""

    shots: Shots = field(init=False)
    solves: list[Opened] = field(default_factory=list)
    waiting: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def ask(self, strand: str, work: Callable[[], Any], *, then: Callable[[Any], None], otherwise: Callable[[BaseException], None]) -> None:
        def do() -> None:
            try:
                found = work()
            except VideoMatteError as error:
                return otherwise(error)
            then(found)

        self.waiting.append((strand, do))

    def solve(self, shot: Opened, frames: str | None, *, peer: Peer, request: int) -> None:
        self.solves.append(shot)

    def of(self, shot: str) -> tuple[str, ...]:
        return ()

    def hear(self, host: Host, message: wire.Message) -> None:
        self.shots.answers()[type(message)](host, 1, message, ())

    def done(self) -> None:
        while self.waiting:
            self.waiting.pop(0)[1]()

    def opened(self, host: Host, folder: Path, description: Description) -> str:
        self.hear(host, wire.ShotOpen(description, str(folder)))
        self.done()
        said = host.told[-1]
        assert isinstance(said, wire.ShotOpened)
        return said.shot

    def solved_by(self, host: Host, shot: str) -> tuple[str, bool]:
        """Return the device on which a solve of a client is done, and whether it overwrites."""
        self.hear(host, wire.ShotSolve(shot))
        self.done()
        asked = self.solves[-1].description
        return asked.device, asked.overwrite


@pytest.fixture
def front(tmp_path: Path) -> Front:
    front = Front()
    front.shots = Shots(cast(Jobs, front), clerks=cast(Clerks, front), configuration=Configuration(shared=tmp_path / "shared"))
    return front


@pytest.fixture
def art(tmp_path: Path) -> Painted:
    return painted(tmp_path / "plates", frames=2, keys=(1,))


def test_each_client_solves_a_shot_as_it_opened_it_itself(front: Front, art: Painted, tmp_path: Path) -> None:
    nuke, blender, other, folder = Host("nuke"), Host("blender"), Host("other"), tmp_path / "s.vmatte"
    shot = front.opened(nuke, folder, Description(plate=art.plate, trimap=art.keys, device="cpu", overwrite=True))
    assert front.opened(blender, folder, Description(device="cuda:1")) == shot
    assert [front.solved_by(host, shot) for host in (nuke, blender, nuke)] == [("cpu", True), ("cuda:1", False), ("cpu", True)]
    assert front.solved_by(other, shot) == ("cuda:1", False)
    front.hear(blender, wire.ShotClose(shot))
    assert front.solved_by(nuke, shot) == ("cpu", True)
    front.opened(nuke, folder, Description(device="cuda:0"))
    assert front.solved_by(nuke, shot) == ("cuda:0", False)
    assert len(front.shots) == 1


def test_a_loose_shot_waits_for_no_other_loose_shot(front: Front, art: Painted, tmp_path: Path) -> None:
    one, two = (Description(plate=art.plate, trimap=art.keys, out=str(tmp_path / name / "a.####.exr")) for name in ("one", "two"))
    host = Host("nuke")
    for asked in (one, two, one):
        front.hear(host, wire.ShotOpen(asked))
    strands = [strand for strand, _ in front.waiting]
    front.done()
    names = [said.shot for said in host.told if isinstance(said, wire.ShotOpened)]
    assert strands == names
    assert len(set(strands)) == 2


@pytest.mark.parametrize("asked", [wire.ShotStatus, wire.ShotLock])
def test_a_range_is_read_by_a_clerk_and_not_by_the_loop(
    front: Front, art: Painted, tmp_path: Path, asked: Callable[[str, str], wire.Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, read = Host("nuke"), list[str]()
    shot = front.opened(host, tmp_path / "s.vmatte", Description(plate=art.plate, trimap=art.keys))

    def noted(text: str) -> tuple[int, ...]:
        read.append(text)
        return (1, 2)

    monkeypatch.setattr(shots, "parse_range", noted)
    front.hear(host, asked(shot, "1-1000000"))
    assert read == []
    front.done()
    assert (read, isinstance(host.told[-1], (wire.ShotState, wire.Done))) == (["1-1000000"], True)


def test_a_range_that_is_none_ends_its_request_and_nothing_else(front: Front, art: Painted, tmp_path: Path) -> None:
    host = Host("nuke")
    shot = front.opened(host, tmp_path / "s.vmatte", Description(plate=art.plate, trimap=art.keys))
    for message in (wire.ShotStatus(shot, "9-1"), wire.ShotLock(shot, "9-1")):
        front.hear(host, message)
        front.done()
        assert isinstance(host.told[-1], VideoMatteError)
        assert host.told[-1].code == "input.sequence"
