"""What goes wrong in real Blender: no daemon, a dying one, another version; cancel, undo, files loaded in the middle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from blender import Blender
from blender_cases import FIRST, blender, daemon, files, key, plate, shot
from daemons import Daemon, daemon_in
from shots import Shot, make_shot
from wire_server import Server

__all__ = ["blender", "daemon", "shot"]
pytestmark = pytest.mark.slow
LONG = 24


@pytest.fixture
def long_shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "long", frames=LONG, first=FIRST)


def test_it_can_be_registered_again_and_again(blender: Blender) -> None:
    played = blender.play("registered_again")
    assert played["counts"] == [[False, False], [True, True]] * 3
    assert len(played["menus"]) == 2


def test_commands_are_grey_without_a_matte_and_while_one_runs(blender: Blender) -> None:
    without, ready, running = (set(names) for names in blender.play("greyed")["greyed"])
    need = {"solve", "preview", "reload", "lock", "lock_range", "next_key", "new_trimap", "remove_key"}
    need |= {f"key_from_{what}" for what in ("painted", "mask", "matte")}
    assert without == need | {"cancel"}
    assert ready == {"cancel"}
    assert running == need


def test_a_preset_gives_the_settings_back(blender: Blender) -> None:
    played = blender.play("preset_kept")
    assert (played["erode"], played["profile"]) == (7.0, "draft")
    assert Path(played["file"]).is_relative_to(blender.profile)


def test_an_unsaved_file_needs_a_folder(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "plate": plate(shot), "trimap": key(shot, FIRST)}
    played = blender.play("in_an_unsaved_file", folder=tmp_path / "own.vmatte", **given)
    assert "Save the file" in played["refused"]
    assert played["solved"] == ["FINISHED"]
    assert Path(played["version"]).parent == tmp_path / "own.vmatte" / "alpha"


def test_no_daemon_is_said_at_once_with_how_to_start_it(blender: Blender, shot: Shot, tmp_path: Path) -> None:
    played = blender.play("without_a_daemon", blend=tmp_path / "a.blend", connection=tmp_path / "none.json", plate=plate(shot))
    assert all("none.json is not there" in said and "videomatte serve" in said for said in played["said"])
    assert played["seconds"] < 1
    assert not played["busy"]


def test_a_daemon_that_dies_ends_the_solve_with_words(blender: Blender, long_shot: Shot, tmp_path: Path) -> None:
    with daemon_in(tmp_path / "d") as dying:
        given = {"connection": dying.connection, "plate": plate(long_shot), "trimap": key(long_shot, FIRST)}
        played = blender.play("dying_daemon", blend=tmp_path / "a.blend", pid=dying.pid, **given)
    assert played["error"].startswith("daemon.unreachable")
    assert played["seconds"] < 10


def test_another_machine_needs_online_access(blender: Blender, daemon: Daemon, tmp_path: Path) -> None:
    said = json.loads(daemon.connection.read_text())
    away = {**said, "control": "tcp://203.0.113.7:5599", "pixels": "tcp://203.0.113.7:5600", "server_key": "x" * 40}
    file = tmp_path / "away.json"
    file.write_text(json.dumps(away))
    file.chmod(0o600)
    played = blender.play("connected", connection=file)
    assert not played["online"]
    assert "Allow Online Access" in played["error"]
    here = blender.play("connected", connection=daemon.connection)
    assert here["error"] is None
    assert here["said"].startswith("VideoMatte ")


def test_a_daemon_of_another_version_is_named(blender: Blender, tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        server.instead = [b"VMAT\x02\x00", b"in words of its own"]
        assert "speaks protocol 2.0, this one 1.0" in blender.play("connected", connection=server.file)["error"]
    finally:
        server.stop()


def test_a_cancelled_solve_goes_on_later(blender: Blender, daemon: Daemon, long_shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "plate": plate(long_shot), "trimap": key(long_shot, FIRST)}
    played = blender.play("cancelled", blend=tmp_path / "a.blend", **given)
    assert played["ended"] == "CancelledError"
    assert played["seconds"] < 1
    assert played["solved"] == ["FINISHED"]
    assert len(files(played["version"])) == LONG


def test_a_file_loaded_in_mid_job_leaves_the_job_to_the_daemon(blender: Blender, daemon: Daemon, long_shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "plate": plate(long_shot), "trimap": key(long_shot, FIRST)}
    played = blender.play("loaded_in_mid_job", blend=tmp_path / "a.blend", **given)
    assert [state for _, state, _ in played["frames"]] == ["solved"] * LONG
    assert len(files(played["version"])) == LONG


def test_a_matte_deleted_in_mid_job_is_said(blender: Blender, daemon: Daemon, long_shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "plate": plate(long_shot), "trimap": key(long_shot, FIRST)}
    assert "was deleted" in blender.play("deleted_in_mid_job", blend=tmp_path / "a.blend", **given)


def test_new_matte_and_solve_are_one_step_of_undo_each(blender: Blender, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    given = {"connection": daemon.connection, "plate": plate(shot), "trimap": key(shot, FIRST)}
    played = blender.play("undone", blend=tmp_path / "a.blend", **given)
    assert played["mattes"] == [1, 0]
    assert played["shown"] == [True, False]
