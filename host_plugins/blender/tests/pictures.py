# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive the installed add-on in a window: solve, cancel by ESC, lose the daemon; take the pictures of docs/blender.md.

blender --enable-event-simulate --python-exit-code 3 --python pictures.py -- WORK CONNECTION PLATE TRIMAP FRAMES
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import bpy

WORK, CONNECTION, PLATE, TRIMAP, FRAMES = sys.argv[sys.argv.index("--") + 1 :][:5]
GAPS: list[float] = []
LAST: list[float] = []


def say(*words: Any) -> None:
    """Write a line of the report."""
    with open(os.path.join(WORK, "report.txt"), "a", encoding="utf-8") as report:
        print(*words, file=report)


def beat() -> float:
    """Measure how long the interface stood still."""
    now = time.monotonic()
    GAPS.append(now - LAST[0] if LAST else 0.0)
    LAST[:] = [now]
    return 0.02


def editor() -> tuple[Any, Any]:
    """Return the window and its largest area."""
    window = bpy.context.window_manager.windows[0]
    return window, max(window.screen.areas, key=lambda area: area.width * area.height)


def region(kind: str) -> Any:
    """Return a region of the largest area."""
    return next(found for found in editor()[1].regions if found.type == kind)


def press(command: Any, how: str = "INVOKE_DEFAULT", **given: Any) -> Any:
    """Call an operator as if it were pressed in the node editor."""
    window, area = editor()
    with bpy.context.temp_override(window=window, area=area, region=region("WINDOW")):
        return command(how, **given)


def picture(name: str) -> None:
    """Take a picture of the screen."""
    window, area = editor()
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
    subprocess.run(["import", "-window", "root", os.path.join(WORK, name + ".png")], check=True)


def click(x: int, y: int) -> None:
    """Press the left button somewhere."""
    window = editor()[0]
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="LEFTMOUSE", value=value, x=x, y=y)


def busy() -> bool:
    """Return whether a command of the add-on runs."""
    return bpy.context.window_manager.videomatte.busy


def prepared() -> Any:
    """Make a compositor with a plate, and a matte of it; return the node group."""
    module = next(name for name in bpy.context.preferences.addons.keys() if name.endswith(".videomatte"))
    bpy.context.preferences.addons[module].preferences.connection = CONNECTION
    versions = __import__(module + ".versions", fromlist=["versions"])
    area = editor()[1]
    area.type = "NODE_EDITOR"
    area.ui_type = "CompositorNodeTree"
    scene = editor()[0].scene
    tree = versions.tree_of(scene)
    tree.nodes.clear()
    space = area.spaces.active
    space.show_region_ui = True
    if versions.TREE_IS_A_GROUP:
        space.node_tree = tree
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(WORK, "comp.blend"))
    image = bpy.data.images.load(PLATE)
    image.source, image.colorspace_settings.name = "SEQUENCE", "Linear Rec.709"
    node = tree.nodes.new("CompositorNodeImage")
    node.image, node.frame_start, node.frame_duration, node.use_auto_refresh = image, 1001, int(FRAMES), True
    node.frame_offset = 1000
    scene.frame_start, scene.frame_end = 1001, 1000 + int(FRAMES)
    scene.frame_set(1001)
    tree.nodes.active = node
    press(bpy.ops.videomatte.new, "EXEC_DEFAULT")
    made = tree.nodes.active
    result = versions.result_node(tree)
    result.location = made.location.x + 320, made.location.y
    tree.links.new(made.outputs["Image"], result.inputs[0])
    made.node_tree.videomatte.device = "cpu"
    made.node_tree.videomatte.painted = bpy.data.images.load(TRIMAP)
    return made.node_tree


def script() -> Iterator[float]:
    """Do what an artist does; each number is how long to wait."""
    bpy.context.preferences.view.show_splash = False
    yield 0.5
    click(400, 400)
    yield 0.5
    group = prepared()
    yield 1.0
    side = region("UI")
    tab = int(os.environ.get("TAB_Y", "0"))
    if tab:
        click(side.x + side.width - 10, side.y + side.height - tab)
    press(bpy.ops.node.view_all, "EXEC_DEFAULT")
    yield 0.7
    picture("begin")
    press(bpy.ops.videomatte.key_from_painted)
    while busy():
        yield 0.05
    GAPS.clear()
    press(bpy.ops.videomatte.solve)
    while busy() and bpy.context.window_manager.videomatte.share < 0.3:
        yield 0.05
    say("in the middle:", bpy.context.window_manager.videomatte.text)
    picture("progress")
    editor()[0].event_simulate(type="ESC", value="PRESS")
    editor()[0].event_simulate(type="ESC", value="RELEASE")
    begun = time.monotonic()
    while busy():
        yield 0.02
    say("ESC stopped it in %.2f s" % (time.monotonic() - begun))
    press(bpy.ops.videomatte.solve)
    begun = time.monotonic()
    while busy():
        yield 0.05
    seconds = time.monotonic() - begun
    say("solved in %.1f s, longest gap of the interface %.0f ms, version %r" % (seconds, max(GAPS) * 1e3, group.videomatte.version))
    begun = time.monotonic()
    press(bpy.ops.videomatte.lock_range, "EXEC_DEFAULT", first=1003, last=1006)
    say("the dialog of the lock gave the interface back after %.0f ms, busy %s" % ((time.monotonic() - begun) * 1e3, busy()))
    while busy():
        yield 0.05
    for frame in (1010, 1012):
        bpy.context.scene.frame_set(frame)
        press(bpy.ops.videomatte.key_from_matte)
        while busy():
            yield 0.05
        if frame == 1010:
            press(bpy.ops.videomatte.solve)
            while busy():
                yield 0.05
    yield 0.5
    picture("strip")
    window, area = editor()
    with bpy.context.temp_override(window=window, area=area, region=region("WINDOW")):
        bpy.ops.node.group_edit(exit=False)
        bpy.ops.node.select_all(action="SELECT")
    yield 0.7
    press(bpy.ops.node.view_all, "EXEC_DEFAULT")
    yield 1.0
    picture("group")
    for name in ("Keying", "Mask"):
        say("menu", name, hasattr(bpy.types, "NODE_MT_category_compositor_" + name.lower()))
    yield from file_loaded()


def file_loaded() -> Iterator[float]:
    """Load another file while a solve runs."""
    press(bpy.ops.videomatte.solve)
    yield 0.5
    say("before another file is loaded: busy", busy())
    bpy.ops.wm.read_homefile(use_empty=True)
    yield 0.5
    say("after: busy", busy())


STEPS = script()


def drive() -> float | None:
    """Go on with the script; Blender ends with it."""
    try:
        return next(STEPS)
    except StopIteration:
        say("done")
        os._exit(0)
    except Exception:
        say(traceback.format_exc())
        os._exit(4)


bpy.app.timers.register(beat, persistent=True)
bpy.app.timers.register(drive, first_interval=1.0, persistent=True)
