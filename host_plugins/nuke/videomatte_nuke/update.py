"""Replace a node by the installed version of the gizmo: a script keeps the group it was saved with."""

from __future__ import annotations

from typing import Any

import nuke

INPUTS = 4
OWN = (
    *("first", "last", "keys_from", "key_frames", "trimap_channel", "output", "premultiply", "show_preview", "lock_frames"),
    *("profile", "device", "write_foreground", "depth", "working_space", "source_from", "view", "folder", "connection", "path_map"),
    *("vm_shot", "vm_uuid", "vm_name", "vm_solved", "label", "tile_color", "disable"),
)
"""Knobs of the node that are carried over."""
INNER = (
    *(("ReadMatte", name) for name in ("file", "first", "last", "origfirst", "origlast", "origset", "on_error")),
    *(("ReadForeground", name) for name in ("file", "first", "last", "origfirst", "origlast", "origset")),
    *(("ReadPreview", name) for name in ("file", "first", "last", "origfirst", "origlast", "origset")),
    ("MatteIntoSource", "to0"),
)
"""Knobs of inner nodes that an artist or a solve sets."""


def update(node: Any) -> None:
    """Put a new VideoMatte in the place of a node, with its knobs, connections and matte."""
    inputs = [node.input(index) for index in range(INPUTS)]
    users = [(user, index) for user in node.dependent(nuke.INPUTS) for index in range(user.inputs()) if user.input(index) is node]
    name, x, y = node.name(), node.xpos(), node.ypos()
    with nuke.Undo("VideoMatte update"):
        with node.parent():
            new = nuke.createNode("VideoMatte", "", False)
        _take_over(new, node)
        for index, source in enumerate(inputs):
            new.setInput(index, source)
        for user, index in users:
            user.setInput(index, new)
        nuke.delete(node)
        new.setXYpos(x, y)
        new.setName(name)


def _take_over(new: Any, old: Any) -> None:
    """Copy what is set on the old node and on its inner nodes to the new one, where that has the same knobs."""
    for name in OWN:
        before, knob = old.knob(name), new.knob(name)
        if before is not None and knob is not None:
            knob.fromScript(before.toScript())
    for inner, name in INNER:
        here, there = new.node(inner), old.node(inner)
        if here is not None and there is not None:
            here[name].fromScript(there[name].toScript())
