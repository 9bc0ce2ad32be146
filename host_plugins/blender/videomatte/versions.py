# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the compositors of Blender 4.2 to 5.2 differ, and nothing else."""

from __future__ import annotations

from typing import Any

import bpy

TREE_IS_A_GROUP = bpy.app.version >= (5, 0, 0)
RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
TREE = "CompositorNodeTree"


def tree_of(scene: bpy.types.Scene, *, make: bool = True) -> bpy.types.NodeTree | None:
    """Return the compositor's tree of a scene; make one where there is none."""
    if not TREE_IS_A_GROUP:
        if make and not scene.use_nodes:
            scene.use_nodes = True
        return scene.node_tree
    if scene.compositing_node_group is None and make:
        tree = bpy.data.node_groups.new("Compositing", TREE)
        tree.interface.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
    return scene.compositing_node_group


def result_node(tree: bpy.types.NodeTree) -> bpy.types.Node:
    """Return the node whose first input is the picture that the compositor makes."""
    kind = "NodeGroupOutput" if TREE_IS_A_GROUP else "CompositorNodeComposite"
    return next((node for node in tree.nodes if node.bl_idname == kind), None) or tree.nodes.new(kind)


def file_output(tree: bpy.types.NodeTree, *, folder: str, name: str) -> bpy.types.NodeSocket:
    """Add a node that writes 32-bit RGBA EXR files `folder/name####.exr` and return its input."""
    node = tree.nodes.new("CompositorNodeOutputFile")
    if TREE_IS_A_GROUP:
        node.format.media_type = "IMAGE"
    node.format.file_format = "OPEN_EXR"
    node.format.color_mode, node.format.color_depth, node.format.exr_codec = "RGBA", "32", "ZIP"
    if TREE_IS_A_GROUP:
        node.directory, node.file_name = folder, name
        node.file_output_items.clear()
        node.file_output_items.new("RGBA", "")
        node.save_as_render = False
    else:
        node.base_path = folder
        node.file_slots.clear()
        node.file_slots.new(name)
        node.file_slots[0].use_node_format, node.file_slots[0].save_as_render = True, False
    return node.inputs[0]


def copy_of(scene: bpy.types.Scene) -> bpy.types.Scene:
    """Return a copy of a scene whose compositor's tree is its own."""
    copied = scene.copy()
    if TREE_IS_A_GROUP and scene.compositing_node_group is not None:
        copied.compositing_node_group = scene.compositing_node_group.copy()
    return copied


def remove(scene: bpy.types.Scene) -> None:
    """Remove a scene and, where it is apart, its compositor's tree."""
    tree = scene.compositing_node_group if TREE_IS_A_GROUP else None
    bpy.data.scenes.remove(scene)
    if tree is not None and tree.users == 0:
        bpy.data.node_groups.remove(tree)


def prepare(scene: bpy.types.Scene, *, width: int, height: int) -> None:
    """Let a scene composite a picture of so many pixels, on the CPU and in full precision, and do nothing else."""
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.use_compositing, render.use_sequencer, render.use_border, render.use_file_extension = True, False, False, True
    for name, value in (("compositor_device", "CPU"), ("compositor_precision", "FULL")):
        if hasattr(render, name):
            setattr(render, name, value)
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"


def render(scene: bpy.types.Scene, frame: int) -> None:
    """Composite a frame of a scene. Its files carry its number, but for negative frames from 5.0 on: no animation begins below 0."""
    if frame < 0:
        with bpy.context.temp_override(scene=scene):
            scene.frame_set(frame)
            bpy.ops.render.render()
        return
    scene.frame_start = scene.frame_end = frame
    bpy.ops.render.render(animation=True, scene=scene.name)


def mask_node(tree: bpy.types.NodeTree, mask: bpy.types.Mask, *, feather: bool) -> bpy.types.Node:
    """Add a node that draws a mask, with or without its feather."""
    node: Any = tree.nodes.new("CompositorNodeMask")
    node.mask = mask
    if hasattr(node, "use_feather"):
        node.use_feather = feather
    else:
        node.inputs["Feather"].default_value = feather
    return node
