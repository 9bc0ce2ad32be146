# SPDX-License-Identifier: GPL-3.0-or-later
"""VideoMatte in Blender's compositor: paint or mask a trimap on a frame or two, press Solve, get the alpha of every frame as a node group.

The rules: no threads, nothing of Blender's is held over a tick, nothing is written in this folder, and a .blend renders without the add-on.
"""

from __future__ import annotations

from types import ModuleType

from . import preferences

try:
    from . import commands, keying, managing, menus, panel, presets, settings, solving

    PARTS: tuple[ModuleType, ...] = (preferences, settings, commands, keying, solving, managing, presets, panel, menus)
except ImportError as error:
    preferences.MISSING.append(str(error))
    PARTS = (preferences,)


def register() -> None:
    """Make everything known to Blender."""
    for part in PARTS:
        part.register()


def unregister() -> None:
    """Take it all back, the last first."""
    for part in reversed(PARTS):
        part.unregister()
