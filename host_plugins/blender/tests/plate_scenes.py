# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates of every kind: sequences by their files, clips, anything upstream, and what must be rendered."""

from __future__ import annotations

import os
from typing import Any

import bpy
from key_scenes import disc
from scenes import addon, compositor, painted, preferences, rendered, sequence


def plate(blend: str, connection: str, plate: dict[str, Any], kind: str) -> Any:
    """Save the file and make a matte of a plate that is given in some way; return the node group."""
    preferences().connection = connection
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    tree = compositor()
    if kind in ("clip", "rendered clip"):
        clip = bpy.data.movieclips.load(plate["first_file"])
        clip.colorspace_settings.name = "Linear Rec.709" if kind == "clip" else "Linear CIE-XYZ E"
        clip.frame_start = plate["start"]
        node = tree.nodes.new("CompositorNodeMovieClip")
        node.clip = clip
    else:
        node = sequence(tree, **plate)
    if kind == "upstream":
        brighter = tree.nodes.new("CompositorNodeExposure")
        brighter.inputs["Exposure"].default_value = 1.0
        tree.links.new(node.outputs[0], brighter.inputs[0])
        node = brighter
    assert bpy.ops.videomatte.new(node=node.name) == {"FINISHED"}
    (group,) = addon("group").mattes()
    group.videomatte.device = "cpu"
    if kind == "upstream":
        group.videomatte.first, group.videomatte.last = plate["start"], plate["start"] + plate["count"] - 1
    return group


def solved_plate(
    blend: str, connection: str, sequence: dict[str, Any], kind: str, trimap: list[list[float]], out: str, frames: list[int]
) -> dict[str, Any]:
    """Make a matte of a plate, key its first frame, solve and render it; solve once more and render nothing anew."""
    group = plate(blend, connection, sequence, kind)
    settings = group.videomatte
    painted(group, trimap)
    assert bpy.ops.videomatte.key_from_painted(frame=settings.first) == {"FINISHED"}
    assert bpy.ops.videomatte.solve() == {"FINISHED"}
    first, found = settings.version, addon("plate").plate_of(settings)
    assert bpy.ops.videomatte.solve() == {"FINISHED"}
    rendered(group, out, frames)
    return {
        "version": first,
        "again": settings.version,
        "pattern": found.pattern,
        "shift": found.shift,
        "rendered": found.rendered,
        "range": [settings.first, settings.last],
        "scenes": len(bpy.data.scenes),
    }


def solved_from_before_it_begins(
    blend: str, connection: str, sequence: dict[str, Any], trimap: list[list[float]], out: str
) -> dict[str, Any]:
    """Solve a matte whose range begins a frame before its plate does, and render its second frame."""
    group = plate(blend, connection, sequence, "image")
    settings = group.videomatte
    settings.first -= 1
    painted(group, trimap)
    assert bpy.ops.videomatte.key_from_painted(frame=settings.first + 1) == {"FINISHED"}
    assert bpy.ops.videomatte.solve() == {"FINISHED"}
    rendered(group, out, [settings.first + 2])
    return {"version": settings.version, "range": [settings.first, settings.last]}


def deleted_while_rendered(blend: str, connection: str, sequence: dict[str, Any]) -> dict[str, Any]:
    """Delete the matte while its plate is rendered; return what is said of it and how many scenes are left."""
    group = plate(blend, connection, sequence, "upstream")
    said = ""
    try:
        for step in addon("solving").solved(group):
            if step.text.startswith("Rendering") and step.share > 0:
                bpy.data.node_groups.remove(group)
    except Exception as error:
        said = addon("complaints").text_of(error)
    return {"said": said, "scenes": len(bpy.data.scenes)}


def with_everything(blend: str, connection: str, sequence: dict[str, Any], trimap: list[list[float]], out: str) -> dict[str, Any]:
    """Solve with foreground, garbage and holdout, and render what the node gives."""
    group = plate(blend, connection, sequence, "image")
    settings, scene = group.videomatte, bpy.context.scene
    settings.foreground, settings.garbage, settings.holdout = True, disc("garbage", 0.05, feather=0.0), None
    painted(group, trimap)
    bpy.ops.videomatte.key_from_painted(frame=1)
    assert bpy.ops.videomatte.solve() == {"FINISHED"}
    versions = addon("versions")
    tree, node = versions.tree_of(scene), addon("group").node_of(group, scene)
    os.makedirs(out, exist_ok=True)
    tree.links.new(node.outputs["Foreground"], versions.file_output(tree, folder=out, name="Foreground."))
    rendered(group, out, [2])
    return {"version": settings.version}
