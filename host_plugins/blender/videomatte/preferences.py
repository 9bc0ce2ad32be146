# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set once for this Blender: where the daemon is and how long it may be silent."""

from __future__ import annotations

import bpy
from bpy.props import FloatProperty, StringProperty

MISSING: list[str] = []
"""Why the add-on's modules could not be loaded; empty when all is well."""


class VideoMattePreferences(bpy.types.AddonPreferences):
    """The preferences of the add-on."""

    bl_idname = __package__

    connection: StringProperty(
        name="Connection File",
        description="The daemon's connection file; empty for the daemon of this machine",
        subtype="FILE_PATH",
    )
    path_map: StringProperty(
        name="Path Mapping",
        description="Folders as seen here and by the daemon: P:/shows=/mnt/shows; more pairs after semicolons",
    )
    patience: FloatProperty(
        name="Patience",
        description="Seconds of silence after which the daemon counts as gone",
        default=10.0,
        min=0.5,
        max=300.0,
        subtype="TIME",
        unit="TIME",
    )
    said: StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the preferences."""
        column = self.layout.column()
        if MISSING:
            column.label(text="Install the add-on again, a module is missing: " + MISSING[0], icon="ERROR")
            return
        column.use_property_split = True
        column.prop(self, "connection")
        column.prop(self, "path_map")
        column.prop(self, "patience")
        row = column.row()
        row.operator("videomatte.test_connection", icon="LINKED")
        if self.said:
            row.label(text=self.said)


def preferences() -> VideoMattePreferences:
    """Return the preferences."""
    return bpy.context.preferences.addons[__package__].preferences


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(VideoMattePreferences)


def unregister() -> None:
    """Take them back."""
    bpy.utils.unregister_class(VideoMattePreferences)
