# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries in Add > Keying and Add > Mask."""

from __future__ import annotations

import bpy

from .versions import TREE

MENUS = ("NODE_MT_category_compositor_keying", "NODE_MT_category_compositor_mask")


def draw(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Draw the entry."""
    if context.space_data.tree_type == TREE:
        menu.layout.separator()
        menu.layout.operator("videomatte.new", text="VideoMatte", icon="MOD_MASK")


def register() -> None:
    """Add the entry to the menus that this Blender has."""
    for name in MENUS:
        if hasattr(bpy.types, name):
            getattr(bpy.types, name).append(draw)


def unregister() -> None:
    """Take it out again."""
    for name in MENUS:
        if hasattr(bpy.types, name):
            getattr(bpy.types, name).remove(draw)
