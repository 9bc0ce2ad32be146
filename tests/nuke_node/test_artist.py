"""An artist's afternoon, with the stand-in for Nuke and a real daemon."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from daemons import Daemon
from nuke_artist import Artist, seated
from shots import make_shot, read_exr


def frames_of(folder: Path) -> dict[int, Path]:
    return {int(path.name.split(".")[1]): path for path in sorted(folder.glob("alpha.*.exr"))}


def test_a_shot_is_solved_and_a_second_key_solves_only_what_is_stale(
    nuke: Any, daemon: Daemon, tmp_path: Path, videomatte: Callable[..., Any]
) -> None:
    shot = make_shot(tmp_path / "plates", frames=24, first=1001, keys=(1001, 1013))
    artist = seated(nuke, shot, daemon.connection)
    assert artist.press("solve").split(" at ")[0] == "v001"
    assert nuke.STATE.messages == []
    first = artist.version
    assert sorted(frames_of(first)) == shot.frames
    assert artist.keys_rendered() == [1001]
    assert (artist.read()["first"].value(), artist.read()["last"].value()) == (1001, 1024)

    nuke.STATE.frame = 1013
    artist.press("add_key")
    assert artist.node["key_frames"].value() == "1001,1013"
    said = artist.press("solve")
    assert "solved 1001-1024" in said
    assert artist.version.name == "v002"

    artist.node["key_frames"].setValue("1001,1013,1019")
    said = artist.press("solve")
    assert "solved 1012-1024" in said
    assert "kept 1001-1011" in said
    before, after = frames_of(artist.folder / "alpha" / "v002"), frames_of(artist.version)
    assert [f for f in after if after[f].samefile(before[f])] == list(range(1001, 1012))

    make_shot(tmp_path / "plates", frames=24, first=1001, keys=(1001, 1013, 1019))
    out = tmp_path / "cli" / "alpha.####.exr"
    space = ("--colorspace", "lin_rec709_scene", "--device", "cpu")
    ran = videomatte("solve", shot.plate, "--trimap", shot.keys, "--out", out, *space)
    assert ran.status == 0, ran.said
    for frame, path in after.items():
        np.testing.assert_array_equal(read_exr(path), read_exr(tmp_path / "cli" / f"alpha.{frame}.exr"))


def test_only_new_and_changed_keys_are_sent(artist: Artist, monkeypatch: pytest.MonkeyPatch) -> None:
    artist.press("solve")
    import videomatte_nuke.run as run

    outcomes: list[Any] = []
    real = run.carried_out
    monkeypatch.setattr(run, "carried_out", lambda *a, **k: outcomes.append(real(*a, **k)) or outcomes[-1])
    artist.node["key_frames"].setValue("1001,1005")
    artist.press("solve")
    artist.shot.truth[1005] = np.roll(artist.shot.truth[1005], 4, axis=1)
    artist.press("solve")
    artist.press("solve")
    artist.node["key_frames"].setValue("1001")
    artist.press("solve")
    assert [outcome.sent for outcome in outcomes] == [(1005,), (1005,), (), ()]
    assert [outcome.version[-4:] for outcome in outcomes] == ["v002", "v003", "v003", "v004"]


def test_a_solve_is_one_step_of_undo(artist: Artist) -> None:
    artist.press("solve")
    assert [name for name, _ in artist.nuke.STATE.steps] == ["VideoMatte solve"]
    assert artist.read()["file"].value() != ""
    artist.nuke.Undo.undo()
    assert artist.read()["file"].value() == ""
    assert artist.node["vm_solved"].value() is False
    assert artist.node["vm_shot"].value() != ""


def test_a_preview_is_shown_from_a_file_of_its_own(artist: Artist) -> None:
    artist.nuke.STATE.frame = 1004
    assert artist.press("preview_frame").startswith("Frame 1004 previewed")
    first = Path(artist.read("ReadPreview")["file"].value())
    assert artist.node["show_preview"].value() is True
    assert read_exr(first).shape == (64, 96, 4)
    artist.press("preview_frame")
    second = Path(artist.read("ReadPreview")["file"].value())
    assert first != second
    assert (first.exists(), second.exists()) == (False, True)
    artist.press("solve")
    assert artist.node["show_preview"].value() is False


def test_locked_frames_stay_and_the_next_key_is_suggested(artist: Artist) -> None:
    artist.press("solve")
    artist.node["lock_frames"].setValue("1001-1003")
    assert artist.press("lock") == "Locked 1001-1003."
    assert "locked 1001-1003" in artist.press("ask_status")
    before = frames_of(artist.version)
    artist.node["key_frames"].setValue("1001,1006")
    artist.press("solve")
    after = frames_of(artist.version)
    assert [f for f in after if after[f].samefile(before[f])][:3] == [1001, 1002, 1003]
    assert artist.press("unlock") == "Unlocked 1001-1003."
    said = artist.press("next_key")
    assert artist.nuke.STATE.frame in range(1001, 1008) or said == "No other key frame is suggested."
    assert artist.press("give_back").startswith("Memory given back: ")
    assert artist.nuke.STATE.messages == []


def test_garbage_and_holdout_are_exact(artist: Artist) -> None:
    from host_pictures import made

    for index, half in ((2, 0), (3, 1)):
        matte = artist.nuke.nodes.Roto()
        matte._picture = lambda frame, view, half=half: made(
            lambda _, x, y: float(y < 8 and (x >= 48) == half), names="A", display=(0, 0, 96, 64)
        )
        artist.node.setInput(index, matte)
    artist.press("solve")
    assert artist.nuke.STATE.messages == []
    for path in frames_of(artist.version).values():
        alpha = read_exr(path)[..., 3]
        assert (alpha[:8, :48].max(), alpha[:8, 48:].min()) == (0.0, 1.0)


def test_the_foreground_plays_when_it_is_written(artist: Artist) -> None:
    artist.node["write_foreground"].setValue(True)
    artist.press("solve")
    played = artist.read("ReadForeground")["file"].value()
    assert Path(played.replace("####", "1004")).is_file()


def test_batch_solves_without_a_dialog(terminal: Any, shot: Any, daemon: Daemon) -> None:
    artist = seated(terminal, shot, daemon.connection)
    artist.press("solve")
    assert artist.version.name == "v001"
    assert any("matte, frame 1007" in line for line in terminal.STATE.printed)
    assert "solved 1001-1007" in terminal.STATE.printed[-1]


def test_an_updated_node_keeps_knobs_connections_and_matte(artist: Artist) -> None:
    artist.press("solve")
    viewer = artist.nuke.nodes.Viewer()
    viewer.setInput(0, artist.node)
    artist.node["profile"].setValue("draft")
    kept = {name: artist.node[name].value() for name in ("vm_uuid", "vm_shot", "first", "last", "profile", "connection")}
    played, name = artist.read()["file"].value(), artist.node.name()
    artist.node["update_node"].execute()
    new = artist.nuke.toNode(name)
    assert new is not artist.node
    assert {name: new[name].value() for name in kept} == kept
    assert new.node("ReadMatte")["file"].value() == played
    assert (new.input(0), new.input(1), viewer.input(0)) == (artist.source, artist.roto, new)
    artist.node = new
    assert artist.press("solve").endswith("solved 1001-1007.")


def batch(plugin: Path, *arguments: str) -> int:
    """Run the program for batch and return its exit status."""
    found = runpy.run_path(str(plugin / "solve_in_batch.py"))
    return int(found["main"](list(arguments)))


def test_the_program_for_batch_solves_every_node(terminal: Any, shot: Any, daemon: Daemon, plugin: Path, tmp_path: Path) -> None:
    artist = seated(terminal, shot, daemon.connection)
    assert batch(plugin, str(tmp_path / "shot.nk")) == 0
    assert artist.version.name == "v001"
    assert artist.folder.parent == tmp_path / "videomatte"


def test_the_program_for_batch_tells_a_farm_what_failed(
    terminal: Any, shot: Any, plugin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    artist, saved = seated(terminal, shot, tmp_path / "no" / "daemon.json"), list[str]()
    monkeypatch.setattr(artist.nuke, "scriptSave", saved.append)
    assert batch(plugin, str(tmp_path / "shot.nk"), "VideoMatte1", "Nobody") == 1
    assert not saved, "a script in which nothing was solved stays as it was"
    said = capsys.readouterr().err
    assert "VideoMatte1: No daemon is running" in said
    assert "Nobody: there is no such node" in said
    assert batch(plugin) == 2


def test_a_script_that_cannot_be_opened_is_said_without_a_traceback(
    terminal: Any, shot: Any, plugin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(filename: str) -> None:
        raise RuntimeError("No such file or directory")

    monkeypatch.setattr(seated(terminal, shot, tmp_path / "daemon.json").nuke, "scriptOpen", refuses)
    assert batch(plugin, "gone.nk") == 1
    assert capsys.readouterr().err == "VideoMatte: gone.nk cannot be opened: No such file or directory\n"
