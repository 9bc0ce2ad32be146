# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried in Blender: each scene is given paths and numbers, does what an artist would, and returns what came of it."""

from __future__ import annotations

import importlib
import os
from typing import Any

import addon_utils
import bpy

ADDON = "bl_ext.user_default.videomatte"


def begin() -> None:
    """Start from an empty file with the add-on on."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if addon_utils.enable(ADDON, default_set=True) is None:
        raise AssertionError("the add-on cannot be enabled")


def addon(name: str) -> Any:
    """Return a module of the add-on."""
    return importlib.import_module(ADDON + "." + name)


def preferences() -> Any:
    """Return the add-on's preferences."""
    return bpy.context.preferences.addons[ADDON].preferences


def compositor(width: int = 96, height: int = 64) -> Any:
    """Return the scene's empty compositor, which renders pictures of a size."""
    scene, versions = bpy.context.scene, addon("versions")
    tree = versions.tree_of(scene)
    tree.nodes.clear()
    versions.prepare(scene, width=width, height=height)
    return tree


def sequence(tree: Any, first_file: str, *, start: int = 1, offset: int = 0, count: int = 1, space: str = "Linear Rec.709") -> Any:
    """Add a node that plays an image sequence, and make it the active one."""
    image = bpy.data.images.load(first_file, check_existing=False)
    image.source, image.colorspace_settings.name = "SEQUENCE", space
    node = tree.nodes.new("CompositorNodeImage")
    node.image, node.frame_start, node.frame_offset, node.frame_duration, node.use_auto_refresh = image, start, offset, count, True
    tree.nodes.active = node
    return node


def matte(blend: str, connection: str, plate: dict[str, Any]) -> Any:
    """Save the file, play a plate and make a matte of it; return the node group."""
    preferences().connection = connection
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    tree = compositor()
    sequence(tree, **plate)
    assert bpy.ops.videomatte.new() == {"FINISHED"}
    (group,) = addon("group").mattes()
    group.videomatte.device = "cpu"
    return group


def painted(group: Any, rows: list[list[float]]) -> Any:
    """Return an 8-bit image that holds a trimap, the rows from the top, as the matte's painted image."""
    image = bpy.data.images.new("painted", len(rows[0]), len(rows))
    flat = [part for row in reversed(rows) for value in row for part in (value, value, value, 1.0)]
    image.pixels.foreach_set(flat)
    image.pack()
    group.videomatte.painted = image
    return image


def rendered(group: Any, out: str, frames: list[int]) -> list[str]:
    """Render the matte's Image and Alpha and return the files of Alpha and Image, by turns."""
    scene, versions = bpy.context.scene, addon("versions")
    tree = versions.tree_of(scene)
    node = addon("group").node_of(group, scene)
    os.makedirs(out, exist_ok=True)
    for name in ("Alpha", "Image"):
        tree.links.new(node.outputs[name], versions.file_output(tree, folder=out, name=name + "."))
    tree.links.new(node.outputs["Image"], versions.result_node(tree).inputs[0])
    return shot_again(out, frames)


def shot_again(out: str, frames: list[int]) -> list[str]:
    """Render the scene as it is."""
    scene = bpy.context.scene
    for frame in frames:
        scene.render.filepath = os.path.join(out, "result.")
        if frame < 0:
            scene.frame_set(frame)
            bpy.ops.render.render()
            continue
        scene.frame_start = scene.frame_end = frame
        bpy.ops.render.render(animation=True)
    return sorted(os.listdir(out))


def first_matte(
    blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]], out: str, frames: list[int], key: int
) -> dict[str, Any]:
    """New Matte, key from a painted image, Solve, render, save."""
    group = matte(blend, connection, plate)
    painted(group, trimap)
    bpy.context.scene.frame_set(key)
    assert bpy.ops.videomatte.key_from_painted() == {"FINISHED"}
    assert bpy.ops.videomatte.solve() == {"FINISHED"}
    settings = group.videomatte
    files = rendered(group, out, frames)
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    return {"version": settings.version, "files": files, "states": addon("shot").states(settings), "range": [settings.first, settings.last]}


def without_the_addon(blend: str, out: str, frames: list[int]) -> list[str]:
    """Open a file where the add-on is off and render it."""
    addon_utils.disable(ADDON, default_set=True)
    assert not hasattr(bpy.types.NodeTree, "videomatte")
    bpy.ops.wm.open_mainfile(filepath=blend)
    os.makedirs(out, exist_ok=True)
    tree = bpy.context.scene.compositing_node_group if bpy.app.version >= (5, 0, 0) else bpy.context.scene.node_tree
    for node in tree.nodes:
        if node.bl_idname == "CompositorNodeOutputFile":
            setattr(node, "directory" if bpy.app.version >= (5, 0, 0) else "base_path", out)
    return shot_again(out, frames)


def failure(call: Any, **given: Any) -> str | None:
    """Return what an operator reports as its error; None when there is none."""
    try:
        call(**given)
    except RuntimeError as error:
        return str(error)
    return None
