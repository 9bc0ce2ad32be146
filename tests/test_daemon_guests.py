"""What clients with keys mean is judged where it is used: a link that is laid while their job waits leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest
from daemons import Daemon, daemon_in, described
from shots import Shot as Painted
from shots import make_shot
from vmatte import begun, painted

from bridge.daemon import link
from bridge.daemon.guard import Guard
from bridge.daemon.tasks import Kind, Task
from bridge.daemon.worker.steps import Desk
from bridge.shot.folder import Shot
from bridge.wire import curve
from bridge.wire.client import Client
from bridge.wire.connection import read_connection, write_connection
from bridge.wire.description import Description
from bridge.wire.errors import NotAllowedError, ShotError
from bridge.wire.mapping import PathMap
from bridge.wire.messages import ShotStatus

NUMBERS = count(1)


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """The one folder that the guest may name."""
    (tmp_path / "show").mkdir()
    return tmp_path / "show"


@pytest.fixture
def art(show: Path) -> Painted:
    return painted(show / "plates", frames=3, keys=(1,))


@pytest.fixture
def shot(art: Painted, show: Path) -> Shot:
    return begun(art, show / "s.vmatte")


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk("cpu", memory=0, shared=None)


def do(desk: Desk, kind: Kind, order: link.Order, *, frames: tuple[int, ...] = ()) -> None:
    """Do a step of a job of its own."""
    number = next(NUMBERS)
    desk.perform(Task(number, f"guest {number}", kind, None, frames), order, say=lambda _: None, between=lambda: True)


def moved(path: Path, secret: Path) -> None:
    """Move a file or folder out of what the guest may name and lay a link in its place."""
    path.rename(secret)
    path.symlink_to(secret)


def order_for(shot: Shot, show: Path, scratch: Path, *, frame: int | None = None) -> link.Order:
    shown = {} if frame is None else {"frame": frame, "profile": "draft", "path": str(shot.folder / "preview.exr"), "into": None}
    return link.Order(asdict(Description(device="cpu")), str(shot.folder), str(scratch), shown, (str(show),))


@pytest.mark.parametrize("place", ["plates/plate.0002.exr", "s.vmatte/keys/key.0001.exr", "s.vmatte"])
@pytest.mark.parametrize("kind", [Kind.UNDERSTAND, Kind.PREVIEW, Kind.MATTE])
def test_a_link_that_is_laid_while_a_job_waits_is_not_followed(
    desk: Desk, art: Painted, shot: Shot, show: Path, tmp_path: Path, place: str, kind: Kind
) -> None:
    order = order_for(shot, show, tmp_path / "scratch", frame=1 if kind is Kind.PREVIEW else None)
    do(desk, Kind.UNDERSTAND, order)
    moved(show / place, tmp_path / "secret")
    with pytest.raises(NotAllowedError, match=place.rpartition("/")[2]):
        do(desk, kind, order, frames=(1,))
    assert not list(tmp_path.rglob("preview.exr"))


def test_a_job_of_this_machine_follows_its_links(desk: Desk, art: Painted, shot: Shot, tmp_path: Path, show: Path) -> None:
    moved(Path(art.plate.replace("####", "0002")), tmp_path / "elsewhere.exr")
    order = link.Order(asdict(Description(device="cpu")), str(shot.folder), str(tmp_path / "scratch"))
    do(desk, Kind.UNDERSTAND, order)


def test_a_loose_job_may_not_land_in_a_folder_that_became_a_link(desk: Desk, art: Painted, show: Path, tmp_path: Path) -> None:
    asked = Description(plate=art.plate, trimap=art.keys, out=str(show / "out" / "a.####.exr"), device="cpu")
    order = link.Order(asdict(asked), None, str(tmp_path / "scratch"), {}, (str(show),))
    do(desk, Kind.UNDERSTAND, order)
    (show / "out").rmdir()
    (tmp_path / "secret").mkdir()
    (show / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(NotAllowedError, match="outside the folders"):
        do(desk, Kind.UNDERSTAND, order)


def test_a_shot_folder_that_became_a_link_is_judged_itself(shot: Shot, show: Path, tmp_path: Path) -> None:
    guard = Guard(PathMap(()), (show.resolve(),))
    guard.shot(str(shot.folder), Description())
    secret = tmp_path / "secret.vmatte"
    shot.folder.rename(secret)
    with pytest.raises(ShotError, match="no shot folder"):
        guard.shot(str(shot.folder), Description())
    shot.folder.symlink_to(secret)
    with pytest.raises(NotAllowedError, match=r"s\.vmatte is outside"):
        guard.shot(str(shot.folder), Description())
    Guard(PathMap(()), None).shot(str(shot.folder), Description())


@contextmanager
def guest_of(daemon: Daemon, folder: Path) -> Iterator[Client]:
    known = read_connection(daemon.connection.with_name("network.json"))
    key = curve.load_key("guest", folder=folder / "keys")
    (folder / "guest").mkdir(mode=0o700)
    facts = {**vars(known), "client_public": key.public, "client_secret": key.secret}
    with Client(
        name="guest", connection=write_connection(type(known)(**facts), path=folder / "guest" / "daemon.json"), patience=20
    ) as client:
        yield client


def test_over_the_network_a_job_that_waited_is_judged_again(show: Path, tmp_path: Path) -> None:
    long, short = (make_shot(show / name, frames=n, first=1, keys=(1,), width=96, height=64) for name, n in (("long", 30), ("short", 2)))
    curve.make_key("server", folder=tmp_path / "keys")
    curve.allow("guest", curve.make_key("guest", folder=tmp_path / "keys").public, folder=tmp_path / "keys")
    settings = {"tcp": "127.0.0.1:0", "keys": str(tmp_path / "keys"), "folders": [str(show)]}
    with daemon_in(tmp_path / "d", **settings) as daemon, daemon.client() as local, guest_of(daemon, tmp_path) as guest:
        next(local.solve(local.open(described(long, show / "out"))))
        folder = show / "s.vmatte"
        shot = guest.open(Description(plate=short.plate, trimap=short.keys), folder=str(folder))
        stream = guest.solve(shot)
        next(stream)
        moved(Path(short.plate.replace("####", "0002")), tmp_path / "secret.exr")
        with pytest.raises(NotAllowedError, match=r"plate\.0002\.exr"):
            list(stream)
        moved(folder, tmp_path / "secret.vmatte")
        with pytest.raises(NotAllowedError, match=r"s\.vmatte"):
            guest.call(ShotStatus(shot))
        assert not (tmp_path / "secret.vmatte" / "alpha" / "v001").exists()
