# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong, and what artists do in the middle of things."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import bpy
from scenes import addon, failure, matte, painted, preferences


def registered_again() -> dict[str, Any]:
    """Register and unregister three times."""
    import importlib

    package, counts = importlib.import_module("bl_ext.user_default.videomatte"), []
    for _ in range(3):
        package.unregister()
        counts.append([hasattr(bpy.types.NodeTree, "videomatte"), hasattr(bpy.types, "VIDEOMATTE_OT_solve")])
        package.register()
        counts.append([hasattr(bpy.types.NodeTree, "videomatte"), hasattr(bpy.types, "VIDEOMATTE_OT_solve")])
    menus = [name for name in addon("menus").MENUS if hasattr(bpy.types, name)]
    return {"counts": counts, "menus": menus}


def greyed() -> dict[str, Any]:
    """Ask every command whether it may be pressed: without a matte, with one, and while something runs."""
    names = [name for name in dir(bpy.ops.videomatte) if name not in ("add_preset", "go_to")]
    now, seen = bpy.context.window_manager.videomatte, []
    for make, busy in ((False, False), (True, False), (False, True)):
        if make:
            addon("group").new("Matte")
        now.busy = busy
        seen.append([name for name in names if not getattr(bpy.ops.videomatte, name).poll()])
    now.busy = False
    return {"greyed": seen}


def preset_kept() -> dict[str, Any]:
    """Keep a preset, change what it keeps and choose it again."""
    settings = addon("group").new("Matte").videomatte
    settings.erode, settings.profile = 7.0, "draft"
    assert bpy.ops.videomatte.add_preset(name="hair") == {"FINISHED"}
    settings.erode, settings.profile = 1.0, "final"
    places = (os.path.join(folder, "hair.py") for folder in bpy.utils.preset_paths("videomatte"))
    file = next(place for place in places if os.path.exists(place))
    bpy.ops.script.execute_preset(filepath=file, menu_idname="VIDEOMATTE_MT_presets")
    return {"erode": settings.erode, "profile": settings.profile, "file": file}


def in_an_unsaved_file(connection: str, plate: dict[str, Any], trimap: list[list[float]], folder: str) -> dict[str, Any]:
    """Solve without a place to put the shot, then with one."""
    from scenes import compositor, sequence

    preferences().connection = connection
    sequence(compositor(), **plate)
    bpy.ops.videomatte.new()
    (group,) = addon("group").mattes()
    group.videomatte.device = "cpu"
    painted(group, trimap)
    refused = failure(bpy.ops.videomatte.key_from_painted, frame=1)
    group.videomatte.folder = folder
    bpy.ops.videomatte.key_from_painted(frame=1)
    return {"refused": refused, "solved": list(bpy.ops.videomatte.solve()), "version": group.videomatte.version}


def without_a_daemon(blend: str, connection: str, plate: dict[str, Any]) -> dict[str, Any]:
    """Solve, test the connection and give memory back where nobody answers."""
    matte(blend, connection, plate)
    begun = time.monotonic()
    said = [failure(getattr(bpy.ops.videomatte, name)) for name in ("solve", "test_connection", "give_back", "reload")]
    return {"said": said, "seconds": time.monotonic() - begun, "busy": bpy.context.window_manager.videomatte.busy}


def connected(connection: str) -> dict[str, Any]:
    """Test the connection."""
    preferences().connection = connection
    preferences().patience = 1.0
    said = failure(bpy.ops.videomatte.test_connection)
    return {"error": said, "said": preferences().said, "online": bpy.app.online_access}


def _long_job(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]]) -> Any:
    """Return a matte's node group and its solve, carried on until the daemon has solved a frame."""
    group = matte(blend, connection, plate)
    painted(group, trimap)
    bpy.ops.videomatte.key_from_painted(frame=1)
    steps = addon("solving").solved(group)
    for step in steps:
        if "frame" in step.text and step.share > 0:
            break
        time.sleep(0.005)
    return group, steps


def cancelled(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]]) -> dict[str, Any]:
    """Cancel in the middle; then solve what is left."""
    group, steps = _long_job(blend, connection, plate, trimap)
    error = addon("wire.errors").CancelledError("enough")
    begun, ended = time.monotonic(), ""
    try:
        steps.throw(error)
    except Exception as raised:
        ended = type(raised).__name__
    seconds = time.monotonic() - begun
    return {"ended": ended, "seconds": seconds, "solved": list(bpy.ops.videomatte.solve()), "version": group.videomatte.version}


def loaded_in_mid_job(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]]) -> dict[str, Any]:
    """Load another file while a job runs: the daemon goes on. Come back and show what it made."""
    _, steps = _long_job(blend, connection, plate, trimap)
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    bpy.ops.wm.read_homefile(use_empty=True)
    steps.close()
    bpy.ops.wm.open_mainfile(filepath=blend)
    (group,) = addon("group").mattes()
    until = time.monotonic() + 60
    while time.monotonic() < until and not group.videomatte.version:
        bpy.ops.videomatte.reload()
        time.sleep(0.2)
    return {"version": group.videomatte.version, "frames": addon("shot").states(group.videomatte)}


def deleted_in_mid_job(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]]) -> str | None:
    """Delete the matte while it is solved; return what is said at the end."""
    group, steps = _long_job(blend, connection, plate, trimap)
    bpy.data.node_groups.remove(group)
    try:
        for _ in steps:
            time.sleep(0.005)
    except Exception as error:
        return str(error)
    return None


def dying_daemon(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]], pid: int) -> dict[str, Any]:
    """Solve while the daemon is killed."""
    preferences().patience = 1.0
    _, steps = _long_job(blend, connection, plate, trimap)
    os.kill(pid, signal.SIGKILL)
    begun, error = time.monotonic(), ""
    try:
        for _ in steps:
            time.sleep(0.005)
    except Exception as raised:
        error = getattr(raised, "code", "") + " " + addon("complaints").text_of(raised)
    return {"error": error, "seconds": time.monotonic() - begun}


def undone(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]]) -> dict[str, Any]:
    """Undo and redo New Matte and Solve."""
    from scenes import compositor, sequence

    preferences().connection = connection
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    sequence(compositor(), **plate)
    bpy.ops.ed.undo_push(message="before")
    mattes, group = addon("group").mattes, addon("group")
    bpy.ops.videomatte.new()
    bpy.ops.ed.undo_push(message="New Matte")
    seen = [len(list(mattes()))]
    bpy.ops.ed.undo()
    seen.append(len(list(mattes())))
    bpy.ops.ed.redo()
    (tree,) = mattes()
    tree.videomatte.device = "cpu"
    painted(tree, trimap)
    bpy.ops.videomatte.key_from_painted(frame=1)
    bpy.ops.videomatte.solve()
    (tree,) = mattes()
    shown = [bool(tree.nodes[group.ALPHA].image)]
    bpy.ops.ed.undo()
    (tree,) = mattes()
    shown.append(bool(tree.nodes[group.ALPHA].image))
    return {"mattes": seen, "shown": shown, "images": bool(bpy.data.images)}
