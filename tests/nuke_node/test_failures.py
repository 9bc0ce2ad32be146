"""What can go wrong around a press of Solve: no daemon, one that hangs or dies, a stop, a node that goes away, a full disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from daemons import Daemon, daemon_in
from nuke_artist import Artist, seated
from shots import Shot, make_shot

from bridge.wire.connection import Connection, write_connection
from bridge.wire.errors import DaemonUnreachableError

AT_WORK = "matte, frame"


@pytest.fixture
def long_shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "long", frames=30, first=1, keys=(1,))


def writes_left(nuke: Any) -> list[str]:
    return [name for name, node in nuke.STATE.nodes.items() if node._cls == "Write"]


def at_work(artist: Artist) -> None:
    """Press Solve and return in the middle of the job."""
    artist.press("solve", wait=False)
    artist.nuke._pump(lambda: any(AT_WORK in said for task in artist.nuke.STATE.tasks for said in task._said))


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """The connection file of something that takes messages and never answers."""
    folder = tmp_path / "c"
    folder.mkdir(mode=0o700)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        endpoint = f"ipc://{folder}/s"
        socket.bind(endpoint)
        yield write_connection(Connection(endpoint, endpoint, started="1"), path=folder / "daemon.json")


def test_no_daemon_is_one_message_within_a_second(nuke: Any, shot: Shot, tmp_path: Path) -> None:
    artist = seated(nuke, shot, tmp_path / "no" / "daemon.json")
    begun = time.monotonic()
    artist.press("solve")
    assert time.monotonic() - begun < 1.0
    (message,) = nuke.STATE.messages
    assert "daemon.json" in message
    assert "videomatte serve" in message
    assert nuke.STATE.executed == []
    assert artist.node["status"].value().startswith("No daemon is running")


def test_a_daemon_that_hangs_is_one_message_within_a_second(nuke: Any, shot: Shot, silent: Path) -> None:
    artist = seated(nuke, shot, silent)
    begun = time.monotonic()
    artist.press("solve")
    assert time.monotonic() - begun < 2.0
    (message,) = nuke.STATE.messages
    assert f"ipc://{silent.parent}/s" in message
    assert "videomatte serve" in message
    assert nuke.STATE.executed == []


def test_no_daemon_in_batch_is_an_error_and_no_dialog(terminal: Any, shot: Shot, tmp_path: Path) -> None:
    artist = seated(terminal, shot, tmp_path / "no" / "daemon.json")
    with pytest.raises(Exception, match="No daemon is running") as found:
        artist.node["solve"].execute()
    assert type(found.value).__name__ == DaemonUnreachableError.__name__
    assert terminal.STATE.messages == []


@pytest.mark.slow
def test_a_daemon_that_dies_in_the_middle_ends_the_job(nuke: Any, long_shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon_in(tmp_path / "d") as daemon:
        artist = seated(nuke, long_shot, daemon.connection)
        artist.press("ask_status")
        import videomatte_nuke.conversation as conversation

        monkeypatch.setattr(conversation, "PATIENCE", 1.0)
        nuke.STATE.messages.clear()
        at_work(artist)
        daemon.kill()
        nuke._pump(artist.idle)
    (message,) = nuke.STATE.messages
    assert "daemon" in message
    assert artist.node["status"].value().startswith("Failed: ")
    assert artist.read()["file"].value() == ""


@pytest.mark.slow
def test_a_daemon_that_is_started_anew_goes_on_with_the_job(nuke: Any, long_shot: Shot, tmp_path: Path) -> None:
    with daemon_in(tmp_path / "d") as daemon:
        artist = seated(nuke, long_shot, daemon.connection)
        at_work(artist)
        daemon.kill()
        daemon.start()
        nuke._pump(artist.idle)
        assert nuke.STATE.messages == []
        assert artist.version.name == "v001"
        assert len(list(artist.version.glob("alpha.*.exr"))) == 30


@pytest.mark.parametrize("way", ["button", "cross"])
def test_a_job_is_cancelled(way: str, nuke: Any, long_shot: Shot, daemon: Daemon) -> None:
    artist = seated(nuke, long_shot, daemon.connection)
    at_work(artist)
    if way == "button":
        artist.press("cancel", wait=False)
    else:
        nuke.STATE.crossed = True
    begun = time.monotonic()
    nuke._pump(artist.idle)
    assert time.monotonic() - begun < 4.0
    assert artist.node["status"].value().startswith("Cancelled.")
    assert nuke.STATE.messages == []
    nuke.STATE.crossed = False
    assert "solved" in artist.press("solve")


def test_two_presses_are_one_job(nuke: Any, long_shot: Shot, daemon: Daemon) -> None:
    artist = seated(nuke, long_shot, daemon.connection)
    at_work(artist)
    artist.press("solve", wait=False)
    assert "is running" in nuke.STATE.messages.pop()
    artist.press("cancel")


def test_a_node_that_is_deleted_leaves_a_note(nuke: Any, long_shot: Shot, daemon: Daemon) -> None:
    artist = seated(nuke, long_shot, daemon.connection)
    at_work(artist)
    nuke.delete(artist.node)
    nuke._pump(artist.idle)
    assert nuke.STATE.messages == []
    assert "VideoMatte1 is gone; its mattes are in " in nuke.STATE.printed[-1]


def test_a_node_that_is_renamed_is_found(nuke: Any, long_shot: Shot, daemon: Daemon) -> None:
    artist = seated(nuke, long_shot, daemon.connection)
    at_work(artist)
    artist.node.setName("Hair")
    nuke._pump(artist.idle)
    assert artist.version.name == "v001"
    assert artist.node["status"].value().startswith("v001 at ")


def test_a_script_that_is_closed_hears_nothing_of_it(nuke: Any, long_shot: Shot, daemon: Daemon) -> None:
    artist = seated(nuke, long_shot, daemon.connection)
    at_work(artist)
    for name in [name for name, node in nuke.STATE.nodes.items() if node._parent is nuke.root()]:
        nuke.delete(nuke.toNode(name))
    other = nuke.createNode("VideoMatte")
    nuke._pump(artist.idle)
    assert nuke.STATE.messages == []
    assert other["vm_solved"].value() is False


def test_a_full_disk_leaves_no_write_behind(nuke: Any, artist: Artist) -> None:
    nuke.STATE.full = True
    said = artist.press("solve")
    assert "Trimap could not be rendered" in said
    assert "No space left" in nuke.STATE.messages[0]
    assert writes_left(nuke) == []
    assert nuke.root()["proxy"].value() is False
    assert nuke.STATE.steps == []


def test_a_render_that_is_stopped_is_no_error(nuke: Any, artist: Artist) -> None:
    artist.node["source_from"].setValue("always render")
    artist.source._picture = artist.roto._picture
    nuke.STATE.stop_render_at = 1004
    assert artist.press("solve") == "The render of Source was stopped."
    assert nuke.STATE.messages == []
    assert writes_left(nuke) == []
    folder = Path(artist.node["folder"].evaluate())
    assert [path for path in folder.rglob("*") if "render" in path.name] == []


def test_an_unsaved_script_is_told_to_be_saved(nuke: Any, artist: Artist) -> None:
    nuke.root()["name"].setValue("")
    assert "is not saved yet" in artist.press("solve")
    assert nuke.STATE.executed == []


def test_a_duplicate_gets_a_shot_of_its_own(nuke: Any, artist: Artist) -> None:
    artist.press("solve")
    twin = nuke.createNode("VideoMatte")
    for name, knob in artist.node.knobs().items():
        if name not in ("name", "xpos", "ypos") and type(knob).__name__ not in ("Link_Knob", "Tab_Knob"):
            twin[name].setValue(knob.value())
    for index in (0, 1):
        twin.setInput(index, artist.node.input(index))
    other = Artist(nuke, artist.shot, twin, artist.source, artist.roto)
    before = (artist.node["vm_uuid"].value(), artist.folder)
    other.press("solve")
    assert other.node["vm_uuid"].value() != before[0]
    assert other.folder.name.startswith("VideoMatte2_")
    artist.press("solve")
    assert (artist.node["vm_uuid"].value(), artist.folder) == before


@pytest.mark.parametrize("special", ["indie", "nc"])
def test_a_small_licence_is_enough(special: str, nuke: Any, artist: Artist) -> None:
    nuke.STATE.special = special
    artist.press("solve")
    assert nuke.STATE.messages == []
    assert artist.version.name == "v001"


@pytest.mark.parametrize(
    ("knob", "value", "said"),
    [
        ("last", 1000, "counts backwards"),
        ("key_frames", "1001,x", "'x' is no frame"),
        ("key_frames", "900", "lie outside"),
        ("path_map", "P:/shows", "is not here=there"),
        ("keys_from", "roto keys", "No keys were found"),
    ],
)
def test_a_knob_that_cannot_be_used_is_named(knob: str, value: Any, said: str, artist: Artist) -> None:
    artist.node[knob].setValue(value)
    assert said in artist.press("solve")
    assert len(artist.nuke.STATE.messages) == 1


@pytest.mark.parametrize(("index", "name"), [(0, "Source"), (1, "Trimap")])
def test_an_input_that_is_not_connected_is_named(index: int, name: str, artist: Artist) -> None:
    artist.node.setInput(index, None)
    assert artist.press("solve") == f"Nothing is connected to {name}."


def test_a_plate_that_the_daemon_refuses_is_told_with_its_words(artist: Artist) -> None:
    for path in Path(artist.shot.plate).parent.glob("plate.*.exr"):
        path.unlink()
    artist.press("solve")
    (message,) = artist.nuke.STATE.messages
    assert "plate.####.exr" in message


def test_what_nobody_foresaw_is_one_message_and_no_traceback(nuke: Any, artist: Artist, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> Any:
        raise RuntimeError("VideoMatte: Unknown command")

    monkeypatch.setattr(nuke, "createNode", gone)
    artist.press("update_node")
    assert nuke.STATE.messages == ["VideoMatte: The plug-in failed: RuntimeError('VideoMatte: Unknown command')"]
    assert artist.node["status"].value().startswith("The plug-in failed")


def test_an_old_preview_that_cannot_be_removed_is_left(nuke: Any, artist: Artist, monkeypatch: pytest.MonkeyPatch) -> None:
    nuke.STATE.frame = 1004
    artist.press("preview_frame")
    first = Path(artist.read("ReadPreview")["file"].value())

    def held(*_: object, **__: object) -> None:
        raise PermissionError(13, "used by another process")

    monkeypatch.setattr(Path, "unlink", held)
    assert "previewed at" in artist.press("preview_frame")
    second = Path(artist.read("ReadPreview")["file"].value())
    assert (first != second, first.exists(), second.exists()) == (True, True, True)
