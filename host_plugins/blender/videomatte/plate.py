# SPDX-License-Identifier: GPL-3.0-or-later
"""The plate of a matte: files that the daemon can read as they are, or what must be rendered to files first.

Frames of the shot are the numbers of the files. `shift` leads to them: file number = scene frame + shift.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import bpy

from . import group
from .complaints import MatteError

SPACES: Mapping[str, str] = MappingProxyType(
    {
        "Linear Rec.709": "lin_rec709_scene",
        "scene_linear": "lin_rec709_scene",
        "ACEScg": "lin_ap1_scene",
        "ACES2065-1": "lin_ap0_scene",
        "Linear Rec.2020": "lin_rec2020_scene",
        "Linear DCI-P3 D65": "lin_p3d65_scene",
        "Linear CIE-XYZ D65": "lin_ciexyzd65_scene",
        "sRGB": "srgb_rec709_scene",
        "Display P3": "srgb_p3d65_scene",
        "Rec.1886": "g24_rec709_scene",
    }
)
"""Colour spaces of Blender and what the daemon calls them."""
WORKING_SPACE = "lin_rec709_scene"
RENDERED = "plate"


@dataclass(frozen=True)
class Plate:
    """A plate. `pattern`: its files, which the daemon reads; `rendered`: whether the add-on must make them; width and height in pixels.

    `foreground`: Blender's name for the colour space of the foreground that the daemon writes.
    """

    pattern: str
    shift: int
    space: str
    rendered: bool
    foreground: str


def plate_of(settings: bpy.types.PropertyGroup) -> Plate:
    """Return the plate that a matte's settings name. Raises MatteError."""
    if settings.last < settings.first:
        raise MatteError("The matte's frames %d-%d count backwards." % (settings.first, settings.last), remedy="Type the range.")
    chosen = {"IMAGE": settings.image, "CLIP": settings.clip, "UPSTREAM": True}[settings.source]
    if chosen is None:
        raise MatteError("No plate is chosen.", remedy="Choose it in Source, in the sidebar of the compositor.")
    return _files(settings) or _to_render(settings)


def folder_of(settings: bpy.types.PropertyGroup) -> str:
    """Return the full path of the shot folder. Raises MatteError while that depends on an unsaved .blend."""
    text = settings.folder.strip()
    if not text or (text.startswith("//") and not bpy.data.is_saved):
        raise MatteError(f"The shot folder {text!r} needs a saved .blend.", remedy="Save the file, or choose a full path in Shot Folder.")
    return os.path.normpath(bpy.path.abspath(text))


def size_of(plate: Plate, settings: bpy.types.PropertyGroup, frame: int) -> tuple[int, int]:
    """Return the width and height of a scene frame of a plate. Raises MatteError when its file cannot be read."""
    if plate.rendered:
        return rendered_size(settings)
    path = file_of(plate.pattern, frame + plate.shift)
    image = None
    try:
        image = bpy.data.images.load(path, check_existing=False)
        width, height = image.size
    except RuntimeError:
        width = height = 0
    finally:
        if image is not None:
            bpy.data.images.remove(image)
    if not width or not height:
        raise MatteError(f"{path} cannot be read.", remedy="Choose a frame that the plate has.", file=path, frame=frame + plate.shift)
    return width, height


def rendered_size(settings: bpy.types.PropertyGroup) -> tuple[int, int]:
    """Return the width and height of a plate that is rendered."""
    if settings.source == "CLIP":
        return tuple(settings.clip.size)
    if settings.source == "IMAGE" and all(settings.image.size):
        return tuple(settings.image.size)
    render = scene_of(settings.id_data).render
    return tuple(side * render.resolution_percentage // 100 for side in (render.resolution_x, render.resolution_y))


def scene_of(tree: bpy.types.NodeTree) -> bpy.types.Scene:
    """Return the scene in whose compositor a matte is; the current one when it is in none."""
    shown = (scene for scene in (bpy.context.scene, *bpy.data.scenes) if group.node_of(tree, scene) is not None)
    return next(shown, bpy.context.scene)


def file_of(pattern: str, number: int) -> str:
    """Return the file of a number: the hashes of a pattern stand for its digits."""
    return re.sub("#+", lambda found: str(number).zfill(len(found.group())), pattern)


def pattern_of(path: str) -> tuple[str, int] | None:
    """Return a file's name with hashes for the last digits of its stem, and their number; None for a file without."""
    stem, ending = os.path.splitext(path)
    found = re.search(r"\d+(?=[^\d/\\]*$)", stem)
    if found is None or "#" in path:
        return None
    return stem[: found.start()] + "#" * len(found.group()) + stem[found.end() :] + ending, int(found.group())


def _files(settings: bpy.types.PropertyGroup) -> Plate | None:
    """Return the plate when it is files that the daemon reads alike."""
    if settings.source == "UPSTREAM":
        return None
    chosen = settings.image if settings.source == "IMAGE" else settings.clip
    space = SPACES.get(chosen.colorspace_settings.name)
    found = pattern_of(os.path.normpath(bpy.path.abspath(chosen.filepath, library=chosen.library)))
    if chosen.source != "SEQUENCE" or space is None or found is None or getattr(chosen, "type", "") == "MULTILAYER":
        return None
    pattern, number = found
    if settings.source == "IMAGE":
        shift = 1 - settings.frame_start + settings.frame_offset
    else:
        shift = number - chosen.frame_start + chosen.frame_offset
    return Plate(pattern, shift, space, False, chosen.colorspace_settings.name)


def _to_render(settings: bpy.types.PropertyGroup) -> Plate:
    """Return the plate when it must be rendered; negative scene frames get files with numbers above 0."""
    shift = 0 if settings.first >= 0 else -(settings.first // 1000) * 1000
    pattern = os.path.join(folder_of(settings), RENDERED, RENDERED + ".####.exr")
    return Plate(pattern, shift, WORKING_SPACE, True, "Linear Rec.709")
