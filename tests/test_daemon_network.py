"""Clients with keys: who is let in, what they may name, what they are not told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from daemons import Daemon, daemon_in, described, solved
from shots import make_shot

from bridge.wire import curve
from bridge.wire.client import Client
from bridge.wire.connection import read_connection, write_connection
from bridge.wire.description import Description
from bridge.wire.errors import DaemonUnreachableError, LimitError, NotAllowedError, UnknownJobError, UnknownShotError
from bridge.wire.messages import (
    DaemonShutdown,
    DaemonStatus,
    JobCancel,
    JobFollow,
    Jobs,
    Ping,
    Request,
    ShotClose,
    ShotLock,
    ShotOpen,
    ShotPreview,
    ShotResult,
    ShotSolve,
    ShotStatus,
)
from bridge.wire.shared import Picture, SharedFrame


@dataclass
class Network:
    """A daemon that listens on the network for one guest, who may use one folder."""

    daemon: Daemon
    folder: Path
    show: Path

    def client(self, key: curve.Key, *, name: str, patience: float = 20.0) -> Client:
        """Return a client that comes with a key."""
        (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        file = self.daemon.connection.with_name("network.json")
        known = replace(read_connection(file), client_public=key.public, client_secret=key.secret)
        return Client(name=name, connection=write_connection(known, path=self.folder / name / "daemon.json"), patience=patience)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("n")
    keys, show = folder / "keys", folder / "show"
    show.mkdir()
    curve.make_key("server", folder=keys)
    curve.allow("guest", curve.make_key("guest", folder=keys).public, folder=keys)
    curve.make_key("stranger", folder=keys)
    with daemon_in(folder / "d", tcp="127.0.0.1:0", keys=str(keys), folders=[str(show)]) as daemon:
        yield Network(daemon, folder, show)


def own(network: Network, name: str) -> curve.Key:
    return curve.load_key(name, folder=network.folder / "keys")


def test_a_client_whose_key_is_allowed_is_served_from_its_folder(network: Network) -> None:
    shot = make_shot(network.show / "shot", frames=2, width=48, height=32)
    with network.client(own(network, "guest"), name="guest") as client:
        assert solved(client, described(shot, network.show / "out")).solved == "1001-1002"
        assert client.welcome is not None
        assert client.welcome.shared_folder is None


def test_a_client_with_an_unknown_key_is_refused(network: Network) -> None:
    with network.client(own(network, "stranger"), name="stranger", patience=1.5) as client, pytest.raises(DaemonUnreachableError):
        client.call(Ping(), timeout=3)
    with network.client(own(network, "guest"), name="guest") as client:
        client.call(Ping())


def test_a_client_without_curve_is_not_answered(network: Network) -> None:
    from bridge.wire.codec import encode
    from bridge.wire.messages import Hello

    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.connect(read_connection(network.daemon.connection.with_name("network.json")).control)
    dealer.send_multipart(encode(Hello("plain"), request=1))
    assert dealer.poll(1000) == 0
    dealer.close()
    context.term()
    assert network.daemon.state().pid == network.daemon.pid


def test_a_guest_may_name_nothing_outside_its_folders(network: Network, tmp_path: Path) -> None:
    shot, inside = make_shot(tmp_path / "other", frames=1), make_shot(network.show / "mine", frames=1)
    (network.show / "door").symlink_to(tmp_path)
    linked = make_shot(network.show / "linked", frames=1)
    plate = Path(linked.plate.replace("####", "1002"))
    plate.symlink_to(Path(shot.plate.replace("####", "1001")))
    good = described(inside, network.show / "out")
    with network.client(own(network, "guest"), name="guest") as client:
        for description in (
            described(shot, network.show / "out"),
            replace(good, out=str(tmp_path / "alpha.####.exr")),
            replace(good, out=str(network.show / "door" / "alpha.####.exr")),
            replace(good, holdout=str(network.show / ".." / "secret.####.exr")),
            described(linked, network.show / "out"),
        ):
            with pytest.raises(NotAllowedError):
                client.call(ShotOpen(description))
        with pytest.raises(NotAllowedError):
            client.call(ShotOpen(good, folder=str(network.show / "door" / "shot.vmatte")))
        assert client.call(ShotOpen(good)).shot


def test_the_paths_inside_a_shot_folder_are_judged_too(network: Network, tmp_path: Path) -> None:
    secret, folder = make_shot(tmp_path / "secret", frames=1), network.show / "shot.vmatte"
    with network.daemon.client() as local:
        local.open(Description(plate=secret.plate, trimap=secret.keys), folder=str(folder))
    assert (folder / "shot.json").exists()
    with network.client(own(network, "guest"), name="guest") as client, pytest.raises(NotAllowedError):
        client.call(ShotOpen(Description(), folder=str(folder)))


def test_a_guest_writes_no_preview_into_the_memory_of_this_machine(network: Network) -> None:
    shot = make_shot(network.show / "preview", frames=1, width=48, height=32)
    with SharedFrame(network.daemon.folder / "shared", {"alpha": Picture("float32", (32, 48))}) as room:
        with network.client(own(network, "guest"), name="guest") as client:
            name = client.open(described(shot, network.show / "preview"))
            with pytest.raises(LimitError, match="no shared memory"):
                list(client.exchange(ShotPreview(name, 1001, how="shared", into=room.pixels("alpha"))))
        assert not any(bytes(room["alpha"]))


def test_a_guest_is_given_no_result_that_a_link_leads_elsewhere_for(network: Network, tmp_path: Path) -> None:
    secret = make_shot(tmp_path / "secret", frames=1, width=48, height=32)
    shot = make_shot(network.show / "results", frames=1, width=48, height=32)
    with network.client(own(network, "guest"), name="guest") as client:
        name = client.open(described(shot, network.show / "results"))
        (network.show / "results" / "alpha.1001.exr").symlink_to(secret.plate.replace("####", "1001"))
        for how in ("path", "inline"):
            with pytest.raises(NotAllowedError):
                list(client.exchange(ShotResult(name, 1001, how=how)))


def test_a_shot_that_was_changed_since_it_was_opened_is_judged_again(network: Network, tmp_path: Path) -> None:
    shot, folder = make_shot(network.show / "changed", frames=1, width=48, height=32), network.show / "changed.vmatte"
    with network.client(own(network, "guest"), name="guest") as client:
        name = client.open(Description(plate=shot.plate, trimap=shot.keys), folder=str(folder))
        (folder / "alpha").symlink_to(tmp_path)
        requests: tuple[Request[Any], ...] = (ShotSolve(name), ShotPreview(name, 1001), ShotLock(name, "1001"))
        for asked in requests:
            with pytest.raises(NotAllowedError):
                list(client.exchange(asked))
    assert not list(tmp_path.iterdir())


def test_a_guest_neither_sees_nor_touches_what_others_opened_and_does_not_stop_the_daemon(network: Network, tmp_path: Path) -> None:
    secret = make_shot(tmp_path / "secret", frames=1, width=48, height=32)
    with network.daemon.client() as local:
        shot = local.open(described(secret, tmp_path / "out"))
        job = solved(local, described(secret, tmp_path / "out")).job
        with network.client(own(network, "guest"), name="guest") as client:
            assert job not in {known.job for known in client.call(Jobs(all=True)).jobs}
            shots: tuple[Request[Any], ...] = (ShotResult(shot, 1001, how="inline"), ShotStatus(shot), ShotClose(shot))
            for asked in shots:
                with pytest.raises(UnknownShotError):
                    list(client.exchange(asked))
            jobs: tuple[Request[Any], ...] = (JobCancel(job), JobFollow(job))
            for asked in jobs:
                with pytest.raises(UnknownJobError):
                    list(client.exchange(asked))
            with pytest.raises(NotAllowedError):
                client.call(DaemonShutdown())
        assert local.call(ShotResult(shot, 1001)).state == "solved"


def test_the_connection_files_say_no_secret_and_are_the_users_alone(network: Network) -> None:
    secrets = {own(network, name).secret for name in ("server", "guest", "stranger")}
    for name in ("daemon.json", "network.json"):
        path = network.daemon.connection.with_name(name)
        assert path.stat().st_mode & 0o077 == 0
        said = json.dumps(asdict(read_connection(path)))
        assert not any(secret in said for secret in secrets)


def test_the_network_changes_nothing_for_clients_of_this_machine(network: Network, tmp_path: Path) -> None:
    with network.daemon.client() as client:
        assert client.call(DaemonStatus()).pid == network.daemon.pid
        assert client.call(ShotOpen(described(make_shot(tmp_path, frames=1), tmp_path / "out"))).shot
