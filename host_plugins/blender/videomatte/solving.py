# SPDX-License-Identifier: GPL-3.0-or-later
"""New Matte, Solve, Preview Frame, Reload Result: from a plate in the compositor to the alpha in the same tree."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
from bpy.props import StringProperty

from . import group
from .asking import Steps, answer, gone
from .commands import Command
from .complaints import MatteError
from .keying import check_inside
from .link import client
from .plate import plate_of
from .shot import asked, opened
from .versions import TREE, tree_of
from .wire.messages import JobResult, ShotPreview, ShotSolve
from .wire.pixels import FilePixels


def solved(tree: bpy.types.NodeTree) -> Steps[str]:
    """Solve what is new or stale of a matte, let its node show it, and say what was done. Raises VideoMatteError."""
    uid = tree.session_uid
    with client() as daemon:
        shot = yield from opened(daemon, tree, anew=True)
        frames = "%d-%d" % tuple(edge + plate_of(tree.videomatte).shift for edge in (tree.videomatte.first, tree.videomatte.last))
        result = yield from answer(daemon, ShotSolve(shot, frames), text="Waiting for the daemon")
        yield from asked(daemon, shot, uid)
    show(_still_there(uid), result)
    return _report(result)


def reloaded(tree: bpy.types.NodeTree) -> Steps[str]:
    """Ask how a matte stands and show its newest version. Raises VideoMatteError."""
    uid = tree.session_uid
    with client() as daemon:
        shot = yield from opened(daemon, tree)
        state = yield from asked(daemon, shot, uid)
    tree = _still_there(uid)
    if not state.version:
        return "Nothing of it is solved yet."
    show(tree, None)
    return f"Showing {Path(state.version).name}."


def previewed(tree: bpy.types.NodeTree, frame: int) -> Steps[str]:
    """Solve one scene frame quickly and let the matte's node show it. Raises VideoMatteError."""
    check_inside(tree.videomatte, frame)
    uid, number = tree.session_uid, frame + plate_of(tree.videomatte).shift
    with client() as daemon:
        shot = yield from opened(daemon, tree)
        result = yield from answer(daemon, ShotPreview(shot, number), text="Previewing frame %d" % frame)
    if not isinstance(result.pixels, FilePixels):
        raise MatteError("The daemon has made no preview of frame %d." % frame, remedy="Press Solve.", frame=frame)
    group.show_preview(_still_there(uid), result.pixels.path)
    return "Previewing frame %d; Show Preview goes back to the solved matte." % frame


def show(tree: bpy.types.NodeTree, result: JobResult | None) -> None:
    """Let a matte's node give the newest version. Raises MatteError when there is none."""
    settings = tree.videomatte
    folder = settings.version or (result.version if result else None)
    if not folder:
        raise MatteError("The daemon has written no version of the matte.", remedy="Press Reload Result.")
    plate = plate_of(settings)
    group.show_sequence(tree, group.ALPHA, folder, stem="alpha", space="Non-Color", shift=plate.shift)
    colour = Path(folder).parents[1] / "foreground" / Path(folder).name
    if settings.foreground and colour.is_dir():
        group.show_sequence(tree, group.FOREGROUND, str(colour), stem="foreground", space=plate.foreground, shift=plate.shift)
    elif not settings.foreground:
        tree.nodes[group.FOREGROUND].image = None
    settings.show_preview = False
    group.rewire(tree)


def begun(context: bpy.types.Context, node: bpy.types.Node | None) -> bpy.types.NodeTree:
    """Make a matte behind a node of the compositor, or by itself, and return its node group."""
    top = tree_of(context.scene)
    tree = group.new("Matte")
    placed = top.nodes.new("CompositorNodeGroup")
    placed.node_tree, placed.name, placed.label = tree, tree.name, tree.name
    settings = tree.videomatte
    settings.folder = f"//matte/{bpy.path.clean_name(tree.name)}.vmatte"
    settings.first, settings.last = context.scene.frame_start, context.scene.frame_end
    if node is not None:
        _taken_from(node, settings)
        placed.location = node.location.x + node.width + 60, node.location.y
        output = next((socket for socket in node.outputs if socket.enabled), None)
        if output is not None:
            top.links.new(output, placed.inputs["Image"])
    for other in top.nodes:
        other.select = other == placed
    top.nodes.active = placed
    return tree


def _taken_from(node: bpy.types.Node, settings: bpy.types.PropertyGroup) -> None:
    """Take plate and range from the node that gives it."""
    if node.bl_idname == "CompositorNodeImage" and node.image is not None:
        settings.source, settings.image = "IMAGE", node.image
        settings.frame_start, settings.frame_offset = node.frame_start, node.frame_offset
        if node.image.source == "SEQUENCE":
            settings.first, settings.last = node.frame_start, node.frame_start + max(node.frame_duration, 1) - 1
    elif node.bl_idname == "CompositorNodeMovieClip" and node.clip is not None:
        settings.source, settings.clip = "CLIP", node.clip
        settings.first = node.clip.frame_start
        settings.last = settings.first + max(node.clip.frame_duration, 1) - 1
    else:
        settings.source = "UPSTREAM"


def _still_there(uid: int) -> bpy.types.NodeTree:
    tree = group.found(uid)
    if tree is None:
        raise gone()
    return tree


def _report(result: JobResult) -> str:
    version = os.path.basename((result.version or "").rstrip("/\\")) or "Done"
    parts = ["{}: solved {}".format(version, result.solved or "nothing, all is current")]
    if result.kept:
        parts.append(f"kept {result.kept}")
    if result.missing:
        parts.append(f"plate missing at {result.missing}")
    return "; ".join(parts) + "." + "".join(" " + note for note in result.notes)


class VIDEOMATTE_OT_new(bpy.types.Operator):
    """Make a matte of what the active node gives: image sequence, movie clip, or anything"""

    bl_idname = "videomatte.new"
    bl_label = "New Matte"
    bl_options = {"REGISTER", "UNDO"}

    node: StringProperty(name="Node", description="The node that gives the plate; empty for the active one", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow it in the compositor, and in scripts."""
        space = getattr(context, "space_data", None)
        return space is None or space.type != "NODE_EDITOR" or space.tree_type == TREE

    def execute(self, context: bpy.types.Context) -> set:
        """Make the node group and its node."""
        top = tree_of(context.scene)
        node = top.nodes.get(self.node) if self.node else top.nodes.active
        if self.node and node is None:
            self.report({"ERROR"}, f"There is no node {self.node} in the compositor.")
            return {"CANCELLED"}
        begun(context, node)
        return {"FINISHED"}


class VIDEOMATTE_OT_solve(Command, bpy.types.Operator):
    """Solve what is new or stale of the matte; keep working meanwhile"""

    bl_idname = "videomatte.solve"
    bl_label = "Solve Matte"
    undo = "Solve Matte"

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Solve."""
        return solved(tree)


class VIDEOMATTE_OT_preview(Command, bpy.types.Operator):
    """Solve the current frame quickly and show it in the node"""

    bl_idname = "videomatte.preview"
    bl_label = "Preview Matte Frame"
    undo = "Preview Matte Frame"

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Preview."""
        return previewed(tree, context.scene.frame_current)


class VIDEOMATTE_OT_reload(Command, bpy.types.Operator):
    """Ask the daemon how the matte stands, and show its newest version"""

    bl_idname = "videomatte.reload"
    bl_label = "Reload Matte Result"
    undo = "Reload Matte Result"

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Reload."""
        return reloaded(tree)


CLASSES = (VIDEOMATTE_OT_new, VIDEOMATTE_OT_solve, VIDEOMATTE_OT_preview, VIDEOMATTE_OT_reload)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
