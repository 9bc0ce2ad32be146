# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: the settings of a matte, kept where Blender keeps presets."""

from __future__ import annotations

import bpy
from bl_operators.presets import AddPresetBase

KEPT = ("profile", "device", "depth", "foreground", "band", "erode", "dilate")
FOLDER = "videomatte"


class VIDEOMATTE_MT_presets(bpy.types.Menu):
    """The presets that there are."""

    bl_label = "Matte Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    draw = bpy.types.Menu.draw_preset


class VIDEOMATTE_OT_add_preset(AddPresetBase, bpy.types.Operator):
    """Keep or remove a preset of the matte's settings"""

    bl_idname = "videomatte.add_preset"
    bl_label = "Add Matte Preset"
    preset_menu = "VIDEOMATTE_MT_presets"
    preset_subdir = FOLDER
    preset_defines = ["import bpy"]
    preset_values = [f"bpy.context.window_manager.videomatte.chosen.{name}" for name in KEPT]


CLASSES = (VIDEOMATTE_MT_presets, VIDEOMATTE_OT_add_preset)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
