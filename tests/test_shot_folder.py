"""The shot folder: shot.json, key files, locks, paths; and that no crash leaves a shot that does not open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from shots import Shot as Painted
from shots import picture, read_exr, trimap, write_exr, write_png
from vmatte import begun, dead_pid, file, killed, painted

from bridge import exr
from bridge.shot import manifest as manifests
from bridge.shot.folder import Shot
from bridge.shot.work import Places, plan_of, request_for
from bridge.window import Window
from bridge.wire.description import Description
from bridge.wire.errors import ForeignFileError, ImageError, SequenceError, ShotError, TrimapError, UsageError, WindowError


@pytest.fixture
def art(tmp_path: Path) -> Painted:
    return painted(tmp_path / "plates", frames=5, keys=(1, 5))


@pytest.fixture
def shot(art: Painted, tmp_path: Path) -> Shot:
    return begun(art, tmp_path / "sh.vmatte")


def written(shot: Shot) -> dict[str, object]:
    found: dict[str, object] = json.loads((shot.folder / "shot.json").read_text(encoding="utf-8"))
    return found


def rewrite(shot: Shot, **fields: object) -> None:
    (shot.folder / "shot.json").write_text(json.dumps({**written(shot), **fields}), encoding="utf-8")


def names(shot: Shot) -> list[str]:
    """Return the content key of every alpha."""
    plan = plan_of(shot, request_for(shot, into=Places.newest(shot.folder)))
    return [plan.outputs[0].key(f) for f in plan.wanted]


def test_a_new_shot_keeps_what_it_was_told_and_opens_again(shot: Shot, art: Painted) -> None:
    assert written(shot)["schema"] == 1
    assert written(shot)["plate"] == {"path": "../plates/plate.####.exr", "was": art.plate}
    assert written(shot)["colour"] == "lin_rec709_scene"
    assert Shot.open(shot.folder).description == Description(plate=art.plate)
    assert sorted(shot.keys) == [1, 5]
    assert sorted(p.name for p in shot.folder.iterdir()) == ["keys", "shot.json"]


def test_a_newer_schema_is_refused_and_a_damaged_file_named(shot: Shot) -> None:
    rewrite(shot, schema=2)
    with pytest.raises(ShotError, match="schema is 2, and this version knows 1"):
        Shot.open(shot.folder)
    for text in ("", "{", "[]", '{"schema": 1}', '{"schema": 1, "keys": {"x": {}}}', '{"schema": 1, "keys": {}, "locked": "9-1"}'):
        (shot.folder / "shot.json").write_text(text)
        with pytest.raises(ShotError, match=r"shot\.json cannot be understood"):
            Shot.open(shot.folder)


def test_what_is_not_known_is_kept_through_every_edit(shot: Shot) -> None:
    before = written(shot)
    before["keys"]["1"]["note"] = "hair"  # type: ignore[index]
    rewrite(shot, studio={"ticket": 7}, settings={**before["settings"], "grain": 2}, keys=before["keys"])  # type: ignore[dict-item]
    shot.lock([2])
    shot.update(Description(profile="draft"))
    shot.remove_key(5)
    after = written(shot)
    assert (after["studio"], after["settings"]["grain"], after["settings"]["profile"]) == ({"ticket": 7}, 2, "draft")  # type: ignore[index]
    assert (after["keys"]["1"]["note"], sorted(after["keys"]), after["locked"]) == ("hair", ["1"], "2")  # type: ignore[index,call-overload]


def test_what_is_left_out_stays_and_the_empty_text_takes_away(shot: Shot, art: Painted) -> None:
    for frame in (2, 3):
        write_exr(shot.folder.parent / f"roto.{frame:04d}.exr", np.ones((32, 48), np.float32))
    roto = str(shot.folder.parent / "roto.####.exr")
    shot.update(Description(garbage=roto, frames="2-4", channels="y", foreground="shot"))
    assert shot.description == Description(plate=art.plate, garbage=roto, frames="2-4", channels="y", foreground="shot", profile="final")
    stamp = (shot.folder / "shot.json").stat()
    shot.update(Description())
    shot.update(shot.description)
    assert (shot.folder / "shot.json").stat() == stamp
    with pytest.raises(ImageError, match="no layer 'beauty'"):
        shot.update(replace(shot.description, layer="beauty"))
    shot.update(Description(garbage="", layer="", frames="", foreground=""))
    assert shot.description == Description(plate=art.plate)


@pytest.mark.parametrize("places", [{"out": "x.####.exr"}, {"trimap_out": "t.####.exr"}, {"foreground": "fg.####.exr"}])
def test_the_places_of_results_are_the_shots_own(shot: Shot, places: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="own place"):
        shot.update(Description(**places))  # type: ignore[arg-type]


def test_the_colour_space_is_fixed_once(shot: Shot, art: Painted) -> None:
    before = names(shot)
    path = file(art.plate, 1)
    pixels = read_exr(path)
    spec = oiio.ImageSpec(48, 32, 3, "half")
    spec["colorInteropID"] = "lin_ap1_scene"
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), spec)
    out.write_image(pixels)
    out.close()
    assert shot.plates().space.name == "lin_rec709_scene"
    assert [a == b for a, b in zip(before, names(shot), strict=True)] == [False] * 5
    shot.update(replace(shot.description, colorspace="acescg"))
    assert shot.manifest.colour == "lin_ap1_scene"


def test_keys_are_copied_as_three_values_on_the_plates_windows(tmp_path: Path) -> None:
    """The shot needs the painted file no more."""
    like = exr.bare_header(Window(-4, -2, 44, 30), display=Window(0, 0, 40, 28))
    for frame in (1, 2):
        exr.write_rgb(tmp_path / f"plate.{frame:04d}.exr", np.zeros((32, 48, 3), np.float32), like=like)
    grey = np.linspace(-0.1, 1.1, 40 * 28, dtype=np.float32).reshape(28, 40)
    write_exr(tmp_path / "key.0001.exr", grey)
    shot = Shot.create(tmp_path / "s.vmatte", Description(plate=str(tmp_path / "plate.####.exr"), trimap=str(tmp_path / "key.####.exr")))
    (tmp_path / "key.0001.exr").unlink()
    found = exr.read_channel(shot.key_path(1), channel="A")
    assert (found.header.data_window, found.header.display_window) == (Window(-4, -2, 44, 30), Window(0, 0, 40, 28))
    wanted = np.where(grey < 0.05, 0.0, np.where(grey > 0.95, 1.0, 0.5))
    assert np.array_equal(found.values[2:30, 4:44], wanted)
    assert found.values[0, 0] == 0.0
    assert len(names(shot)) == 2


def test_only_keys_that_changed_are_written_again(shot: Shot, art: Painted) -> None:
    before = {f: shot.key_path(f).stat().st_ino for f in (1, 5)}
    assert shot.set_keys(art.keys) == ()
    assert {f: shot.key_path(f).stat().st_ino for f in (1, 5)} == before
    write_png(file(art.keys, 5), trimap(art.truth[5], band=5))
    write_png(file(art.keys, 3), trimap(art.truth[3]))
    assert shot.set_keys(art.keys) == (3, 5)
    assert shot.key_path(1).stat().st_ino == before[1]
    file(art.keys, 1).unlink()
    assert shot.set_keys(art.keys) == ()
    assert sorted(shot.keys) == [1, 3, 5]
    assert shot.set_keys(art.keys, only=True) == (1,)
    assert (sorted(shot.keys), shot.key_path(1).exists()) == ([3, 5], False)


def test_the_same_pixels_again_are_the_same_key(shot: Shot, art: Painted) -> None:
    before, digest = names(shot), shot.keys[1].digest
    assert shot.set_key_pixels(1, trimap(art.truth[1])) is False
    assert (shot.keys[1].digest, names(shot)) == (digest, before)
    assert shot.set_key_pixels(1, trimap(art.truth[1], band=6)) is True
    assert names(shot) != before


def test_pixels_lie_where_their_window_says(shot: Shot) -> None:
    shot.set_key_pixels(3, np.ones((4, 6), np.float32), window=Window(10, 20, 16, 24))
    values = exr.read_channel(shot.key_path(3), channel="A").values
    assert (values.sum(), values[20:24, 10:16].sum()) == (24.0, 24.0)
    with pytest.raises(WindowError, match="6×4"):
        shot.set_key_pixels(3, np.ones((4, 6), np.float32))


def test_a_key_needs_a_plate_and_a_file(shot: Shot, art: Painted) -> None:
    with pytest.raises(SequenceError, match="no frame 9, so it cannot be a key") as raised:
        shot.set_key(9, file(art.keys, 1))
    assert "1-5" in raised.value.remedy
    with pytest.raises(TrimapError, match=r"Frame 2 of .* has no key"):
        shot.remove_key(2)
    shot.key_path(5).unlink()
    with pytest.raises(TrimapError, match="the key at frame 5 is gone"):
        names(shot)
    shot.remove_key(5)
    shot.remove_key(1)
    with pytest.raises(TrimapError, match="no key frame yet"):
        names(shot)


def test_a_stray_file_among_the_keys_is_no_key(shot: Shot) -> None:
    before = names(shot)
    shutil.copy(shot.key_path(1), shot.key_path(3))
    assert names(shot) == before


def test_a_shot_moved_with_or_without_its_plates_finds_them(shot: Shot, tmp_path: Path) -> None:
    before = names(shot)
    alone = tmp_path / "far" / "away" / "moved.vmatte"
    alone.parent.mkdir(parents=True)
    shot.folder.rename(alone)
    assert names(Shot.open(alone)) == before
    together = tmp_path / "other project"
    together.mkdir()
    alone.rename(together / "sh.vmatte")
    (tmp_path / "plates").rename(together / "plates")
    assert names(Shot.open(together / "sh.vmatte")) == before


def test_mapping_rules_find_plates_of_another_system(shot: Shot, tmp_path: Path) -> None:
    before = names(shot)
    rewrite(shot, plate={"path": "P:\\shows\\x\\plate.####.exr"})
    with pytest.raises(SequenceError):
        names(shot)
    shot.map_paths((("p:/shows/x", str(tmp_path / "plates")),))
    assert names(shot) == before


@pytest.mark.parametrize("name", ["été über 01.vmatte", "sh#010 [v2] %04d.vmatte", "鏡.vmatte"])
def test_folders_may_be_called_anything(art: Painted, tmp_path: Path, name: str) -> None:
    shot = begun(art, tmp_path / name)
    assert len(names(shot)) == 5
    assert sorted(p.name for p in (shot.folder / "keys").iterdir()) == ["key.0001.exr", "key.0005.exr"]


def test_a_folder_of_something_else_is_left_alone(art: Painted, tmp_path: Path) -> None:
    with pytest.raises(ForeignFileError, match="is no part of a shot"):
        begun(art, tmp_path)
    assert not (tmp_path / "shot.json").exists()
    with pytest.raises(ShotError, match="is no shot folder"):
        Shot.open(tmp_path)
    with pytest.raises(ShotError, match="is a shot already"):
        begun(art, begun(art, tmp_path / "s.vmatte").folder)


def test_a_shot_may_wait_for_its_plate(art: Painted, tmp_path: Path) -> None:
    shot = Shot.create(tmp_path / "s.vmatte")
    with pytest.raises(ShotError, match="no plate yet"):
        names(shot)
    shot.update_place(plate=str(tmp_path / "later.####.exr"))
    assert shot.manifest.colour is None
    write_exr(tmp_path / "later.0001.exr", picture(art.truth[1]))
    shot.update_place(plate=str(tmp_path / "later.####.exr"))
    assert shot.manifest.colour == "lin_rec709_scene"


EDITS: dict[str, Callable[[Shot, Painted], object]] = {
    "create": lambda shot, art: Shot.ready(shot.folder, Description(plate=art.plate, trimap=art.keys)),
    "replace a key": lambda shot, art: shot.set_key_pixels(1, trimap(art.truth[1], band=6)),
    "add a key": lambda shot, art: shot.set_key_pixels(3, trimap(art.truth[3])),
    "remove a key": lambda shot, art: shot.remove_key(5) if 5 in shot.keys else shot.unlock([5]),
    "lock": lambda shot, art: shot.lock([2, 3]),
    "update": lambda shot, art: shot.update(Description(profile="draft", frames="1-4")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_crash_at_any_write_leaves_a_shot_that_opens(art: Painted, tmp_path: Path, edit: str) -> None:
    """It says what it said before or after, its keys are whole files, and the same edit goes through the next time."""
    pid, count, template = dead_pid(), 0, begun(art, tmp_path / "template.vmatte")
    while True:
        shot = Shot(tmp_path / f"{count}.vmatte")
        if edit != "create":
            shutil.copytree(template.folder, shot.folder)
        before = manifests.read(shot.folder / "shot.json") if edit != "create" else None
        with killed(count, pid=pid) as killer:
            EDITS[edit](shot, art)
        if killer.count <= count:
            break
        if (shot.folder / "shot.json").exists():
            found = Shot.open(shot.folder)
            for frame in found.keys:
                assert set(np.unique(read_exr(found.key_path(frame)))) <= {0.0, 0.5, 1.0}
            assert before is None or found.manifest.keys.keys() >= before.keys.keys() - {5}
        EDITS[edit](shot, art)
        assert not (shot.folder / "shot.lock").exists()
        count += 1
    assert count >= 4, f"only {count} writes were seen"
    assert manifests.read(tmp_path / "0.vmatte" / "shot.json") == manifests.read(shot.folder / "shot.json")


def test_a_path_of_another_system_stays_as_it_was_written(shot: Shot, tmp_path: Path) -> None:
    """What one machine solves must not hide the plate from the other."""
    rewrite(shot, plate={"path": "P:/shows/plate.####.exr"}, path_mapping=[["P:/shows", str(tmp_path / "plates")]])
    shot.update(replace(shot.description, profile="draft"))
    assert written(shot)["plate"] == {"path": "P:/shows/plate.####.exr", "was": ""}


def test_a_guessed_colour_space_is_said_when_it_is_fixed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    like = exr.bare_header(Window(0, 0, 8, 8), display=Window(0, 0, 8, 8))
    exr.write_rgb(tmp_path / "plate.0001.exr", np.zeros((8, 8, 3), np.float32), like=like)
    shot = Shot.create(tmp_path / "s.vmatte", Description(plate=str(tmp_path / "plate.####.exr")))
    assert "does not say which colour space it is in; it is taken as lin_rec709_scene" in caplog.text
    caplog.clear()
    assert (shot.plates().space.name, caplog.text) == ("lin_rec709_scene", "")
