# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys from masks and from mattes, locks, suggestions, previews."""

from __future__ import annotations

import os
from typing import Any

import bpy
from scenes import addon, failure, matte, painted, rendered

KAPPA = 0.5523


def disc(name: str, radius: float, *, feather: float) -> Any:
    """Return a mask of a disc in the middle, its feather outwards; lengths are parts of the wider side."""
    mask = bpy.data.masks.new(name)
    mask.frame_start, mask.frame_end = 1, 100
    spline = mask.layers.new(name="subject").splines.new()
    spline.use_cyclic = True
    spline.points.add(4 - len(spline.points))
    handle = KAPPA * radius
    places = [
        ((0.5 - radius, 0.5), (0, -handle), (0, handle)),
        ((0.5, 0.5 + radius), (-handle, 0), (handle, 0)),
        ((0.5 + radius, 0.5), (0, handle), (0, -handle)),
        ((0.5, 0.5 - radius), (handle, 0), (-handle, 0)),
    ]
    for point, (at, left, right) in zip(spline.points, places, strict=True):
        point.handle_left_type = point.handle_right_type = "FREE"
        point.co = at
        point.handle_left = at[0] + left[0], at[1] + left[1]
        point.handle_right = at[0] + right[0], at[1] + right[1]
        point.weight = feather
    return mask


def key_from_mask(blend: str, connection: str, plate: dict[str, Any]) -> dict[str, Any]:
    """Set keys from a mask without feather, with an unknown width, and with a feather; count the pixels of each kind."""
    group, keying = matte(blend, connection, plate), addon("keying")
    sharp, soft = disc("sharp", 0.2, feather=0.0), disc("soft", 0.2, feather=0.06)
    group.videomatte.mask = sharp
    before = _held()
    refused = failure(bpy.ops.videomatte.key_from_mask)
    group.videomatte.band = 6.0
    assert bpy.ops.videomatte.key_from_mask() == {"FINISHED"}
    group.videomatte.mask, group.videomatte.band = soft, 0.0
    assert bpy.ops.videomatte.key_from_mask() == {"FINISHED"}
    trimaps = [keying.from_mask(group, sharp, 1, band=6.0), keying.from_mask(group, soft, 1, band=0.0)]
    after = _held()
    kinds = [[int((trimap == value).sum()) for value in (1, 0.5, 0)] for trimap in trimaps]
    return {"refused": refused, "kinds": kinds, "keys": addon("shot").standing(group.videomatte)["keys"], "left": before != after}


def _held() -> list[str]:
    """Return the names of scenes, images and node groups, but for what Blender itself makes at a render."""
    names = [block.name for kind in (bpy.data.scenes, bpy.data.images, bpy.data.node_groups) for block in kind]
    return [name for name in names if name not in ("Render Result", "Viewer Node")]


def key_from_matte(blend: str, connection: str, plate: dict[str, Any], trimap: list[list[float]], out: str) -> dict[str, Any]:
    """Solve from one key, make another of the solved alpha, lock, solve again; then preview, and go to what is suggested."""
    group, shot = matte(blend, connection, plate), addon("shot")
    settings = group.videomatte
    nothing = failure(bpy.ops.videomatte.key_from_matte)
    painted(group, trimap)
    bpy.ops.videomatte.key_from_painted(frame=1)
    bpy.ops.videomatte.solve()
    first = settings.version
    assert bpy.ops.videomatte.lock("EXEC_DEFAULT", first=2, last=2) == {"FINISHED"}
    settings.erode, settings.dilate = 3.0, 5.0
    assert bpy.ops.videomatte.key_from_matte(frame=4) == {"FINISHED"}
    stale = shot.states(settings)
    assert bpy.ops.videomatte.solve() == {"FINISHED"}
    seen = {"first": first, "second": settings.version, "stale": stale, "states": shot.states(settings), "nothing": nothing}
    bpy.context.scene.frame_set(3)
    assert bpy.ops.videomatte.preview() == {"FINISHED"}
    preview = group.nodes[addon("group").PREVIEW].image
    seen["preview"], seen["previewed"] = bpy.path.abspath(preview.filepath), settings.show_preview
    rendered(group, out, [3])
    os.rename(os.path.join(out, "Alpha.0003.exr"), os.path.join(out, "preview.exr"))
    settings.show_preview = False
    rendered(group, out, [3])
    settings.standing = '{"advice": [%d, %d]}' % (int(seen["states"][2][0]), int(seen["states"][0][0]))
    seen["visited"] = [(bpy.ops.videomatte.next_key(), bpy.context.scene.frame_current)[1] for _ in range(3)]
    assert bpy.ops.videomatte.lock_range("EXEC_DEFAULT", first=2, last=2, locked=False) == {"FINISHED"}
    assert bpy.ops.videomatte.remove_key() == {"FINISHED"} if bpy.context.scene.frame_current == 1 else True
    assert bpy.ops.videomatte.reload() == {"FINISHED"}
    seen["unlocked"], seen["backwards"] = shot.states(settings), failure(bpy.ops.videomatte.lock_range, first=3, last=2)
    seen["memory"] = list(bpy.ops.videomatte.give_back())
    return seen


def drawn_panel(states: list[Any]) -> dict[str, Any]:
    """Return what the strip shows for states of frames."""
    panel = addon("panel")
    frames = [(number, state, tuple(flags)) for number, state, flags in states]
    return {"cells": panel.cells(frames), "counts": panel.counts(frames), "icons": [panel.icon_of(s, f) for _, s, f in frames]}
