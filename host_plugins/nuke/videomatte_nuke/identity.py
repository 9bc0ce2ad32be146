"""Which node is which: names change, nodes are duplicated, scripts are closed while a job runs.

The rules:
- A node gets an id and a shot name at its first press. Both are saved with the script, so a new version of it goes on with the same shot.
- A duplicate gets its own at its first press: its id is that of another node which still has the name it had at its last press.
- Nobody keeps a node while a job runs; it is looked up by its name, then by its id, and may be gone.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, List, Optional

import nuke

from .render import undone

CLASSES = ("Group", "Gizmo")


def identify(node: Any) -> str:
    """Return the id of a node, a new one where it has none or shares it with another."""
    known: str = node["vm_uuid"].value()
    full = node.fullName()
    with undone():
        if not known or _is_duplicate(node, known):
            known = uuid.uuid4().hex
            node["vm_uuid"].setValue(known)
            node["vm_shot"].setValue("%s_%s" % (re.sub(r"\W", "_", node.name()), known[:8]))
        if node["vm_name"].value() != full:
            node["vm_name"].setValue(full)
    return known


def found(full_name: str, known: str) -> Optional[Any]:
    """Return the node that has an id now, whatever it is called; None when it is gone."""
    node = _named(full_name)
    if node is not None and _id(node) == known:
        return node
    return next((node for node in _others() if _id(node) == known), None)


def _is_duplicate(node: Any, known: str) -> bool:
    before, full = node["vm_name"].value(), node.fullName()
    if before == full:
        return False
    other = _named(before) if before else None
    if other is not None and _id(other) == known:
        return True
    return any(_id(other) == known and other.fullName() != full for other in _others())


def _named(full_name: str) -> Optional[Any]:
    """Return a node by its full name, whatever group is open."""
    with nuke.root():
        return nuke.toNode(full_name)


def _others() -> List[Any]:
    """Return the groups at the top level; Indie and Non-commercial may not look at all nodes."""
    if nuke.env["indie"] or nuke.env["nc"]:
        return []
    with nuke.root():
        return [node for kind in CLASSES for node in nuke.allNodes(kind)]


def _id(node: Any) -> Optional[str]:
    knob = node.knob("vm_uuid")
    return None if knob is None else str(knob.value())
