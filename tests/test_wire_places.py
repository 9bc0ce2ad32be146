"""Folders, the connection file and keys: whose they are, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.wire import places
from bridge.wire.connection import Connection, new_start, read_connection, stamp, write_connection
from bridge.wire.curve import allow, allowed_clients, key_names, load_key, make_key
from bridge.wire.errors import DaemonUnreachableError, NotAllowedError, StorageError, UsageError

HERE = Connection("ipc:///run/c.sock", "ipc:///run/p.sock", 7, "0.2.0", (1, 0), "abc")
KEY = "0" * 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "VIDEOMATTE_CONNECTION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_follow_the_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, f"/set/{variable}")
    assert places.runtime_folder() == places.socket_folder() == Path("/set/XDG_RUNTIME_DIR/videomatte")
    assert places.log_folder() == Path("/set/XDG_STATE_HOME/videomatte/log")
    assert places.cache_folder() == Path("/set/XDG_CACHE_HOME/videomatte")
    assert places.keys_folder() == Path("/set/XDG_CONFIG_HOME/videomatte/keys")


def test_folders_have_a_place_without_the_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    assert places.runtime_folder() == Path(f"/tmp/videomatte-{os.getuid()}")
    assert places.state_folder() == home / ".local/state/videomatte"
    assert places.cache_folder() == home / ".cache/videomatte"
    assert places.config_folder() == home / ".config/videomatte"
    assert places.connection_file() == places.runtime_folder() / "daemon.json"


def test_a_socket_whose_path_would_be_too_long_has_a_folder_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("a" * 90, "b" * 90):
        monkeypatch.setenv("XDG_RUNTIME_DIR", f"/run/{name}")
        found.append(places.socket_folder())
    assert len(set(found)) == 2
    for folder in found:
        assert max(len(os.fsencode(folder / name)) for name in places.SOCKETS) <= 100
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/" + "t" * 120)
    assert places.socket_folder().parent == Path("/tmp")


def test_a_path_is_measured_in_bytes_not_in_letters() -> None:
    assert places.fits_a_socket(Path("/" + "a" * 86))
    assert not places.fits_a_socket(Path("/" + "a" * 87))
    assert not places.fits_a_socket(Path("/" + "ä" * 44))


def test_a_private_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = places.private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert mode(made) == 0o700
    assert places.private(made) == made


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "file").touch(mode=0o600)
    for name in ("open", "link", "file"):
        with pytest.raises(NotAllowedError, match="alone may enter"):
            places.private(tmp_path / name)


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        places.private(tmp_path / "file" / "a")


def test_a_connection_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_connection(HERE, path=tmp_path / "run" / "daemon.json")
    assert read_connection(path) == HERE
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [entry.name for entry in path.parent.iterdir()] == ["daemon.json"]


def test_the_variable_names_another_connection_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOMATTE_CONNECTION", str(home / "far" / "daemon.json"))
    write_connection(HERE)
    assert read_connection() == HERE
    assert (home / "far" / "daemon.json").exists()


def test_a_connection_written_again_has_another_stamp_and_start(tmp_path: Path) -> None:
    path = tmp_path / "run" / "daemon.json"
    assert stamp(path) == (0, 0, 0)
    stamps = [stamp(write_connection(HERE, path=path)) for _ in range(5)]
    assert all(a != b for a, b in pairwise(stamps))
    assert new_start() != new_start()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o666])
def test_a_connection_that_others_may_touch_is_not_believed(tmp_path: Path, bits: int) -> None:
    path = write_connection(HERE, path=tmp_path / "run" / "daemon.json")
    path.chmod(bits)
    with pytest.raises(NotAllowedError, match=f"mode {bits:04o}"):
        read_connection(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_connection_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    path = write_connection(HERE, path=tmp_path / "run" / "daemon.json")
    os.chown(path, 12345, 12345)
    with pytest.raises(NotAllowedError):
        read_connection(path)


def test_a_connection_is_a_plain_file(tmp_path: Path) -> None:
    path = write_connection(HERE, path=tmp_path / "run" / "daemon.json")
    path.with_name("link").symlink_to(path)
    os.mkfifo(path.with_name("pipe"), 0o600)
    for name in ("link", "pipe", "nothing"):
        with pytest.raises(DaemonUnreachableError):
            read_connection(path.with_name(name))
    with pytest.raises((DaemonUnreachableError, NotAllowedError)):
        read_connection(path.parent)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "\xff",
        "[" * 60_000,
        "{}" + " " * 70_000,
        json.dumps({"control": "ipc:///a"}),
        json.dumps({"control": "ipc:///a", "pixels": 5}),
        json.dumps({"control": "inproc://a", "pixels": "ipc:///b"}),
        json.dumps({"control": "tcp://1.2.3.4:5", "pixels": "tcp://1.2.3.4:6"}),
        json.dumps({"control": "tcp://1.2.3.4:5", "pixels": "tcp://1.2.3.4:6", "server_key": "short"}),
        json.dumps({"control": "ipc:///a", "pixels": "ipc:///b", "pid": "7"}),
    ],
)
def test_a_connection_that_makes_no_sense_is_no_daemon(tmp_path: Path, text: str) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(DaemonUnreachableError, match=r"daemon\.json makes no sense"):
        read_connection(path)


def test_a_connection_written_by_hand_needs_endpoints_and_key_only(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps({"control": "tcp://far:1", "pixels": "tcp://far:2", "server_key": KEY, "note": "mine"}))
    path.chmod(0o600)
    assert read_connection(path) == Connection("tcp://far:1", "tcp://far:2", server_key=KEY)


def test_a_key_is_made_once_and_loaded(home: Path) -> None:
    key = make_key("client")
    assert (len(key.public), len(key.secret), key.public != key.secret) == (40, 40, True)
    assert load_key("client") == key
    assert key_names() == ("client",)
    path = home / ".config/videomatte/keys/client.key"
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    with pytest.raises(UsageError, match="is there already"):
        make_key("client")
    assert load_key("client") == key


def test_a_key_that_others_may_read_is_not_used(home: Path) -> None:
    make_key("client")
    (home / ".config/videomatte/keys/client.key").chmod(0o644)
    with pytest.raises(NotAllowedError, match="Others may read"):
        load_key("client")


@pytest.mark.parametrize("text", ["", "{}", '{"public": "a", "secret": "b"}', "[" * 5000, '{"public": 1, "secret": 2}'])
def test_a_file_that_holds_no_key_is_said(home: Path, text: str) -> None:
    make_key("client")
    (home / ".config/videomatte/keys/client.key").write_text(text)
    with pytest.raises(UsageError, match=r"no usable key .*client\.key"):
        load_key("client")


def test_a_key_that_is_not_there_is_said_without_numbers(home: Path) -> None:
    with pytest.raises(UsageError, match=r"no usable key .*client\.key: No such file or directory\.") as raised:
        load_key("client")
    assert raised.value.remedy == "Make one: videomatte keys make client"


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "a b", "x" * 65])
def test_a_name_that_leads_elsewhere_names_no_key(home: Path, name: str) -> None:
    for act in (lambda: make_key(name), lambda: load_key(name), lambda: allow(name, KEY)):
        with pytest.raises(UsageError, match="cannot name a key"):
            act()


def test_only_allowed_clients_are_listed(home: Path) -> None:
    assert allowed_clients() == {}
    key = make_key("client")
    path = allow("workstation", key.public)
    path.with_name("broken.pub").write_text("not a key\n")
    assert allowed_clients() == {key.public: "workstation"}
    path.unlink()
    assert allowed_clients() == {}
    with pytest.raises(UsageError, match="not a public key"):
        allow("short", "abc")
