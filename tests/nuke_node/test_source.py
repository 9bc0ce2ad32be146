"""When Source is taken from its files, and how it is rendered when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from daemons import Daemon
from nuke_artist import Artist, seated
from shots import Shot, picture, read_exr

from bridge import exr

OVERSCAN = (-4, -2, 100, 66)
FORMAT = (0, 0, 96, 64)


def filmed(artist: Artist, *, data: tuple[int, int, int, int] = FORMAT, aspect: float = 1.0, seeds: dict[int, int] | None = None) -> None:
    """Put a node that has no files above Source: the plate again, with overscan where `data` says so."""
    from host_pictures import Picture, made

    grade = artist.nuke.nodes.Grade()
    grade.setInput(0, artist.source)

    def look(frame: int, view: str) -> Picture:
        assert not artist.nuke.root()["proxy"].value()
        found = picture(artist.shot.truth[frame], seed=(seeds or {}).get(frame, frame % 1000))
        clamp = (lambda value, most: min(max(value, 0), most - 1)) if data != FORMAT else (lambda value, most: value)
        return made(
            lambda c, x, y: float(found[clamp(y, 64), clamp(x, 96)]["RGB".index(c)]),
            names="RGB",
            display=FORMAT,
            data=data,
            pixel_aspect=aspect,
        )

    grade._picture = look
    artist.node.setInput(0, grade)


def rendered(artist: Artist, name: str) -> list[int]:
    return [frame for source, frames, _, _ in artist.nuke.STATE.executed if source == name for frame in frames]


def test_the_files_of_a_plain_read_are_used(artist: Artist) -> None:
    dot = artist.nuke.nodes.Dot()
    dot.setInput(0, artist.source)
    artist.node.setInput(0, dot)
    artist.press("solve")
    assert rendered(artist, "Source") == []
    assert not (artist.folder / "plate").exists()


@pytest.mark.parametrize(
    ("knob", "value", "why"),
    [
        ("colorspace", "sRGB", "converts colour from sRGB"),
        ("premultiplied", True, "unpremultiplies"),
        ("frame_mode", "offset", "shifts frames"),
        ("frame", "frame+1", "shifts frames"),
        ("disable", True, "is disabled"),
        ("last", 1005, "holds 1001-1005 only"),
        ("file", "/shots/plate.%v.####.exr", "by views"),
        ("file", "[value root.name].####.exr", "by an expression"),
        ("file", "/shots/plate.####.dpx", "no EXR sequence"),
        ("file", "/shots/plate.exr", "no EXR sequence"),
        ("file", "plate.####.exr", "relative path"),
    ],
)
def test_a_read_that_changes_pixels_is_rendered(knob: str, value: Any, why: str, artist: Artist) -> None:
    from videomatte_nuke.source import files_of

    assert files_of(artist.source, first=1001, last=1007).pattern == artist.shot.plate
    artist.source[knob].setValue(value)
    found = files_of(artist.source, first=1001, last=1007)
    assert found.pattern is None
    assert why in found.why


def test_raw_files_and_files_in_the_working_space_are_the_same_pixels(artist: Artist) -> None:
    from videomatte_nuke.source import files_of

    artist.nuke.root()["workingSpaceLUT"].setValue("scene_linear (ACEScg)")
    assert files_of(artist.source, first=1001, last=1007).why.endswith("converts colour from default (linear)")
    artist.source["colorspace"].setValue("ACEScg")
    assert files_of(artist.source, first=1001, last=1007).pattern == artist.shot.plate
    artist.source["colorspace"].setValue("sRGB")
    artist.source["raw"].setValue(True)
    assert files_of(artist.source, first=1001, last=1007).pattern == artist.shot.plate
    artist.nuke.STATE.views.append("right")
    assert files_of(artist.source, first=1001, last=1007).why.endswith("has several views")


def test_an_animated_knob_and_another_node_are_rendered(artist: Artist) -> None:
    from videomatte_nuke.source import files_of

    artist.source["raw"]._keys = [1001]
    assert files_of(artist.source, first=1001, last=1007).why.endswith("animates raw")
    offset = artist.nuke.nodes.TimeOffset()
    offset.setInput(0, artist.source)
    assert files_of(offset, first=1001, last=1007).why == "TimeOffset1 is no Read"


def test_a_rendered_source_gives_the_pixels_of_its_files(artist: Artist) -> None:
    artist.press("solve")
    straight = {path.name: read_exr(path) for path in artist.version.glob("*.exr")}
    filmed(artist)
    artist.nuke.root()["proxy"].setValue(True)
    artist.nuke.STATE.changed = False
    artist.press("solve")
    assert artist.nuke.root()["proxy"].value() is True
    assert rendered(artist, "Source") == list(range(1001, 1008))
    assert all(view == "main" and kind == "32 bit float" for _, _, view, kind in artist.nuke.STATE.executed)
    assert [node for node in artist.nuke.STATE.nodes.values() if node._cls == "Write"] == []
    assert artist.version.name == "v002"
    for name, alpha in straight.items():
        np.testing.assert_allclose(read_exr(artist.version / name), alpha, atol=0.02)


def test_overscan_and_pixel_aspect_come_back(artist: Artist) -> None:
    filmed(artist, data=OVERSCAN, aspect=2.0)
    artist.press("solve")
    header = exr.read_header(artist.version / "alpha.1004.exr")
    assert (header.data_window.x0, header.data_window.y0, header.data_window.x1, header.data_window.y1) == OVERSCAN
    assert header.display_window.size == (96, 64)
    assert header.pixel_aspect == 2.0


def test_frames_that_render_the_same_are_not_solved_again(artist: Artist) -> None:
    seeds: dict[int, int] = {}
    filmed(artist, seeds=seeds)
    artist.press("solve")
    before = {path.name: path.stat().st_ino for path in (artist.folder / "plate").glob("*.exr")}
    assert "nothing, all is current" in artist.press("solve")
    assert {path.name: path.stat().st_ino for path in (artist.folder / "plate").glob("*.exr")} == before
    seeds[1007] = 99
    artist.press("solve")
    after = {path.name: path.stat().st_ino for path in (artist.folder / "plate").glob("*.exr")}
    assert [name for name in after if after[name] != before[name]] == ["plate.1007.exr"]


def test_a_preview_renders_only_what_it_looks_at(artist: Artist) -> None:
    filmed(artist)
    artist.nuke.STATE.frame = 1005
    assert artist.press("preview_frame").startswith("Frame 1005 previewed")
    assert rendered(artist, "Source") == [1001, 1004, 1005, 1006]
    assert "solved 1001-1007" in artist.press("solve")


def test_only_key_frames_of_the_trimap_are_looked_at(artist: Artist) -> None:
    artist.node["key_frames"].setValue("1001,1003-1007x2")
    artist.press("solve")
    assert artist.painted == [1001, 1003, 1005, 1007]


def test_keys_come_from_the_roto(artist: Artist) -> None:
    from host_knobs import ShapeControlPoint

    shape = [ShapeControlPoint([1002.0, 1005.0]), ShapeControlPoint([1002.0])]
    artist.roto["curves"].rootLayer = [[shape], shape]
    artist.node["keys_from"].setValue("roto keys")
    artist.press("solve")
    assert artist.painted == [1002, 1005]


def test_another_view_is_rendered_alone(nuke: Any, shot: Shot, daemon: Daemon) -> None:
    nuke.STATE.views = ["left", "right"]
    artist = seated(nuke, shot, daemon.connection)
    filmed(artist)
    artist.node["view"].setValue("right")
    artist.press("solve")
    assert {view for _, _, view, _ in nuke.STATE.executed} == {"right"}


@pytest.mark.parametrize(
    ("project", "chosen", "space"),
    [
        ("linear", "from project", "lin_rec709_scene"),
        ("scene_linear (ACES - ACEScg)", "from project", "lin_ap1_scene"),
        ("ACES2065-1", "from project", "lin_ap0_scene"),
        ("my own", "lin_p3d65_scene", "lin_p3d65_scene"),
    ],
)
def test_the_working_space_is_named_to_the_daemon(project: str, chosen: str, space: str, artist: Artist) -> None:
    from videomatte_nuke.settings import settings_of

    artist.node["vm_shot"].setValue("a")
    artist.nuke.root()["workingSpaceLUT"].setValue(project)
    artist.node["working_space"].setValue(chosen)
    assert settings_of(artist.node).space == space


def test_a_working_space_that_is_not_known_is_asked_for(artist: Artist) -> None:
    artist.nuke.root()["workingSpaceLUT"].setValue("my own")
    assert "is not one that VideoMatte knows" in artist.press("solve")


def test_a_channel_of_the_trimap_is_chosen(artist: Artist) -> None:
    from videomatte_nuke.settings import settings_of

    artist.node["vm_shot"].setValue("a")
    said = {}
    for name in ("auto", "rgba.alpha", "rgba.red", "rgba.blue"):
        artist.node["trimap_channel"].setValue(name)
        said[name] = settings_of(artist.node).trimap_channel
    assert said == {"auto": None, "rgba.alpha": "A", "rgba.red": "R", "rgba.blue": "B"}
    artist.press("solve")
    assert Path(artist.read()["file"].value()).parent.name == "v001"
