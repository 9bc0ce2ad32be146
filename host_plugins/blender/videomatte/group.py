# SPDX-License-Identifier: GPL-3.0-or-later
"""The node group of a matte: ordinary nodes that read ordinary files, so that a .blend renders alike without the add-on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import bpy

from .versions import TREE, tree_of

TAG = "videomatte"
ALPHA, FOREGROUND, PREVIEW = "Alpha Sequence", "Foreground Sequence", "Preview"


def new(name: str) -> bpy.types.NodeTree:
    """Make the node group of a matte that has no result yet: the picture passes through."""
    tree = bpy.data.node_groups.new(name, TREE)
    tree[TAG] = 1
    tree.videomatte.is_matte = True
    face = tree.interface
    face.new_socket(name="Image", in_out="INPUT", socket_type="NodeSocketColor")
    face.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    alpha = face.new_socket(name="Alpha", in_out="OUTPUT", socket_type="NodeSocketFloat")
    alpha.default_value, alpha.min_value, alpha.max_value = 1.0, 0.0, 1.0
    face.new_socket(name="Foreground", in_out="OUTPUT", socket_type="NodeSocketColor")
    places = {"NodeGroupInput": (-600, 0), "CompositorNodeSetAlpha": (100, 0), "CompositorNodeSeparateColor": (-100, -150)}
    for kind, place in {**places, "NodeGroupOutput": (350, 0)}.items():
        tree.nodes.new(kind).location = place
    for index, label in enumerate((ALPHA, FOREGROUND, PREVIEW)):
        node = tree.nodes.new("CompositorNodeImage")
        node.name = node.label = label
        node.location = -400, -150 - 420 * index
    rewire(tree)
    return tree


def rewire(tree: bpy.types.NodeTree) -> None:
    """Link what there is: the solved matte or the preview, and the foreground."""
    tree.links.clear()
    given, out, set_alpha, channels = (_only(tree, kind) for kind in _KINDS)
    foreground = tree.nodes[FOREGROUND]
    colour = foreground.outputs["Image"] if foreground.image else given.outputs["Image"]
    tree.links.new(colour, out.inputs["Foreground"])
    shown = tree.nodes[PREVIEW if tree.videomatte.show_preview and tree.nodes[PREVIEW].image else ALPHA]
    if shown.image is None:
        tree.links.new(given.outputs["Image"], out.inputs["Image"])
        out.inputs["Alpha"].default_value = 1.0
        return
    alpha = channels.outputs[0]
    tree.links.new(shown.outputs["Image"], channels.inputs["Image"])
    tree.links.new(colour, set_alpha.inputs["Image"])
    tree.links.new(alpha, set_alpha.inputs["Alpha"])
    tree.links.new(set_alpha.outputs["Image"], out.inputs["Image"])
    tree.links.new(alpha, out.inputs["Alpha"])


def show_sequence(tree: bpy.types.NodeTree, which: str, folder: str, *, stem: str, space: str, shift: int) -> None:
    """Let one of the image nodes play the files `stem.####.exr` of a folder; a scene frame is a file's number less `shift`.

    Blender takes a sequence by one of its files, and there is none where the plate has no frame.
    """
    settings = tree.videomatte
    first, last = settings.first + shift, settings.last + shift
    files = [os.path.join(folder, "%s.%04d.exr" % (stem, number)) for number in range(first, last + 1)]
    path = next(filter(os.path.exists, files), files[0])
    node = tree.nodes[which]
    node.image = _loaded(node.image, path, name=f"{tree.name} {stem}", space=space, source="SEQUENCE")
    node.frame_start, node.frame_offset = settings.first, first - 1
    node.frame_duration = settings.last - settings.first + 1
    node.use_auto_refresh = True


def show_preview(tree: bpy.types.NodeTree, path: str) -> None:
    """Let the node give a previewed frame."""
    node = tree.nodes[PREVIEW]
    node.image = _loaded(node.image, path, name=f"{tree.name} preview", space="Non-Color", source="FILE")
    tree.videomatte.show_preview = True


def mattes() -> Iterator[bpy.types.NodeTree]:
    """Yield the node groups of all mattes."""
    return (tree for tree in bpy.data.node_groups if tree.bl_idname == TREE and tree.videomatte.is_matte)


def found(uid: int) -> bpy.types.NodeTree | None:
    """Return the node group with a session's id; None when it is gone."""
    return next((tree for tree in mattes() if tree.session_uid == uid), None)


def node_of(tree: bpy.types.NodeTree, scene: bpy.types.Scene) -> bpy.types.Node | None:
    """Return the node of a scene's compositor that shows a matte."""
    top = tree_of(scene, make=False)
    nodes = top.nodes if top is not None else ()
    return next((node for node in nodes if node.bl_idname == "CompositorNodeGroup" and node.node_tree == tree), None)


_KINDS = ("NodeGroupInput", "NodeGroupOutput", "CompositorNodeSetAlpha", "CompositorNodeSeparateColor")


def _only(tree: bpy.types.NodeTree, kind: str) -> bpy.types.Node:
    return next(node for node in tree.nodes if node.bl_idname == kind)


def _loaded(image: bpy.types.Image | None, path: str, *, name: str, space: str, source: str) -> bpy.types.Image:
    """Return an image of a file, the one that is there pointed elsewhere; files that changed are read again."""
    if bpy.data.is_saved:
        path = _relative(path)
    if image is None:
        image = bpy.data.images.load(path, check_existing=False)
        image.name = name
    image.filepath = path
    image.source = source
    image.colorspace_settings.name = space
    image.alpha_mode = "CHANNEL_PACKED"
    image.reload()
    image.update_tag()
    return image


def _relative(path: str) -> str:
    try:
        return bpy.path.relpath(path)
    except ValueError:
        return path
