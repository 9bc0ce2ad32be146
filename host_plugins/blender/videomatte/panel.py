# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the compositor's sidebar: plate, keys, solve, and the strip that shows how every frame stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import bpy

from . import group
from .commands import chosen
from .complaints import MatteError
from .managing import suggested
from .plate import plate_of
from .shot import standing, states
from .versions import TREE

CELLS = 32
"""Cells of the strip at most; in a longer shot one stands for several frames and shows the one that needs most attention."""
ROW = 16
COLOURS: Mapping[str, str] = MappingProxyType({"failed": "01", "stale": "03", "unsolved": "09", "solved": "04"})
"""Blender's strip colours: red, yellow, grey, green; the first are those that need attention most."""
Frame = tuple[int, str, tuple[str, ...]]


class Tab:
    """Where the panels are."""

    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"
    bl_category = "VideoMatte"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Show it in the compositor alone."""
        return context.space_data.tree_type == TREE


class OfMatte(Tab):
    """A panel that needs a matte."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Show it when a matte is chosen."""
        return context.space_data.tree_type == TREE and chosen(context) is not None


class VIDEOMATTE_PT_matte(Tab, bpy.types.Panel):
    """The matte, what runs, and the large buttons."""

    bl_label = "VideoMatte"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, tree, now = self.layout, chosen(context), context.window_manager.videomatte
        if tree is None:
            layout.label(text="Select the node that gives the plate" if not any(group.mattes()) else "Select a matte's node", icon="INFO")
            layout.operator("videomatte.new", icon="ADD")
            return
        row = layout.row(align=True)
        row.prop(tree, "name", text="", icon="NODETREE")
        row.operator("videomatte.new", text="", icon="ADD")
        if now.busy:
            row = layout.row(align=True)
            row.progress(factor=now.share, text=now.text)
            row.operator("videomatte.cancel", text="", icon="CANCEL")
        else:
            row = layout.row(align=True)
            row.scale_y = 1.5
            row.operator("videomatte.solve", text="Solve", icon="PLAY")
            row.operator("videomatte.preview", text="Preview Frame", icon="HIDE_OFF")
        _draw_strip(layout, tree, context.scene.frame_current)
        if tree.nodes[group.PREVIEW].image:
            layout.prop(tree.videomatte, "show_preview", toggle=True, icon="HIDE_OFF")


class VIDEOMATTE_PT_keys(OfMatte, bpy.types.Panel):
    """What keys are made of."""

    bl_label = "Keys"
    bl_parent_id = "VIDEOMATTE_PT_matte"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        settings, layout = chosen(context).videomatte, self.layout
        frame = context.scene.frame_current
        layout.label(text="Key of frame %d from" % frame)
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(settings, "painted", text="")
        row.operator("videomatte.new_trimap", text="", icon="FILE_NEW")
        column.operator("videomatte.key_from_painted", text="Painted Image", icon="BRUSH_DATA")
        column = layout.column(align=True)
        column.prop(settings, "mask", text="")
        column.prop(settings, "band")
        column.operator("videomatte.key_from_mask", text="Mask", icon="MOD_MASK")
        column = layout.column(align=True)
        column.prop(settings, "matte", text="")
        row = column.row(align=True)
        row.prop(settings, "erode")
        row.prop(settings, "dilate")
        column.operator("videomatte.key_from_matte", text="Matte", icon="IMAGE_ALPHA")
        row = layout.row(align=True)
        row.operator("videomatte.remove_key", text="Remove Key", icon="KEY_DEHLT")
        row.operator("videomatte.next_key", text="Next Suggested", icon="NEXT_KEYFRAME")


class VIDEOMATTE_PT_plate(OfMatte, bpy.types.Panel):
    """Plate, range and shot folder."""

    bl_label = "Plate"
    bl_parent_id = "VIDEOMATTE_PT_matte"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        settings, layout = chosen(context).videomatte, self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "source")
        if settings.source == "IMAGE":
            layout.prop(settings, "image")
            column = layout.column(align=True)
            column.prop(settings, "frame_start")
            column.prop(settings, "frame_offset")
        elif settings.source == "CLIP":
            layout.prop(settings, "clip")
        column = layout.column(align=True)
        column.prop(settings, "first", text="Frames")
        column.prop(settings, "last", text="to")
        layout.prop(settings, "garbage")
        layout.prop(settings, "holdout")
        layout.prop(settings, "folder")
        for text in _read_from(settings):
            layout.label(text=text)


class VIDEOMATTE_PT_settings(OfMatte, bpy.types.Panel):
    """How it is solved, and the daemon."""

    bl_label = "Settings"
    bl_parent_id = "VIDEOMATTE_PT_matte"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        settings, layout = chosen(context).videomatte, self.layout
        row = layout.row(align=True)
        row.menu("VIDEOMATTE_MT_presets", text="Presets")
        row.operator("videomatte.add_preset", text="", icon="ADD")
        row.operator("videomatte.add_preset", text="", icon="REMOVE").remove_active = True
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in ("profile", "device", "depth", "foreground"):
            layout.prop(settings, name)
        row = layout.row(align=True)
        row.operator("videomatte.lock_range", text="Lock Range", icon="LOCKED")
        row.operator("videomatte.reload", text="Reload Result", icon="FILE_REFRESH")
        layout.operator("videomatte.give_back", text="Give Memory Back", icon="MEMORY")
        layout.operator("videomatte.test_connection", icon="LINKED")


def cells(frames: Sequence[Frame]) -> list[tuple[Frame, int]]:
    """Return what the strip shows: for each cell the frame that needs attention most, and the last frame that it stands for."""
    order = list(COLOURS)
    size = max(1, -(-len(frames) // CELLS))
    groups = [frames[start : start + size] for start in range(0, len(frames), size)]
    return [(_merged(min(some, key=lambda frame: order.index(frame[1])), some), some[-1][0]) for some in groups]


def _merged(worst: Frame, frames: Sequence[Frame]) -> Frame:
    """Return the frame that stands for some, with the key among them if there is one."""
    key = next((frame for frame in frames if "key" in frame[2]), None)
    flags = {flag for frame in frames for flag in frame[2]}
    return (key or worst)[0], worst[1], tuple(sorted(flags))


def counts(frames: Sequence[Frame]) -> dict[str, int]:
    """Return how many frames are in each state, those that need attention first."""
    found = {state: sum(frame[1] == state for frame in frames) for state in COLOURS}
    return {state: count for state, count in found.items() if count}


def _draw_strip(layout: bpy.types.UILayout, tree: bpy.types.NodeTree, current: int) -> None:
    frames = states(tree.videomatte)
    shift = _shift(tree.videomatte)
    if not frames or shift is None:
        layout.label(text="Set a key, then press Solve", icon="INFO")
        return
    box = layout.box().column(align=True)
    row = None
    for index, (frame, last) in enumerate(cells(frames)):
        if index % ROW == 0:
            row = box.row(align=True)
        _draw_cell(row, frame, last, shift, current)
    for _ in range(-len(cells(frames)) % ROW if len(cells(frames)) > ROW else 0):
        row.label(text="", icon="BLANK1")
    said = ["%d %s" % (count, state) for state, count in counts(frames).items()]
    box.label(text=", ".join(said))
    keys = [number - shift for number in standing(tree.videomatte).get("keys", ())]
    box.label(text="Keys: %s" % (", ".join(str(key) for key in keys) or "none"), icon="KEYFRAME_HLT")
    advice = suggested(tree)
    if advice:
        box.label(text="A key would help at: {}".format(", ".join(str(frame) for frame in advice)), icon="LIGHT")


def _draw_cell(row: bpy.types.UILayout, frame: Frame, last: int, shift: int, current: int) -> None:
    number, state, flags = frame
    button = row.operator("videomatte.go_to", text="", icon=icon_of(state, flags), emboss=number - shift <= current <= last - shift)
    button.frame = number - shift
    button.about = "Frame %d: %s" % (number - shift, ", ".join((state, *flags)))


def icon_of(state: str, flags: Sequence[str]) -> str:
    """Return the icon of a frame: key and lock before the colour of its state."""
    if "plate missing" in flags:
        return "ERROR"
    if "locked" in flags:
        return "LOCKED"
    if "key" in flags:
        return "KEYFRAME_HLT"
    name = "STRIP_COLOR_" + COLOURS[state]
    return name if name in _icons() else "SEQUENCE_COLOR_" + COLOURS[state]


def _icons() -> Sequence[str]:
    return bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items.keys()


def _shift(settings: bpy.types.PropertyGroup) -> int | None:
    try:
        return plate_of(settings).shift
    except MatteError:
        return None


def _read_from(settings: bpy.types.PropertyGroup) -> list[str]:
    try:
        plate = plate_of(settings)
    except MatteError as error:
        return [error.message]
    return ["Rendered to files first" if plate.rendered else "Read from its files, as frames %d-%d" % _numbers(settings, plate.shift)]


def _numbers(settings: bpy.types.PropertyGroup, shift: int) -> tuple[int, int]:
    return settings.first + shift, settings.last + shift


CLASSES = (VIDEOMATTE_PT_matte, VIDEOMATTE_PT_keys, VIDEOMATTE_PT_plate, VIDEOMATTE_PT_settings)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
