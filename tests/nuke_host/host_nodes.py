"""Nodes of the stand-in: real names, one life, knobs of their class alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gizmo
from host_classes import CLASSES, GENERIC, WRITE_EXR
from host_knobs import USER_KINDS, Knob
from host_pictures import Picture
from host_state import STATE, on_main, record


class FrameRange:
    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last


class Node:
    """A node. `_picture(frame, view)` is what a test says it looks like."""

    def __init__(self, cls: str, name: str, parent: Any) -> None:
        self._cls, self._name, self._parent, self._dead = cls, name, parent, False
        self._inputs: dict[int, Any] = {}
        self._knobs: dict[str, Knob] = {}
        self._picture: Callable[[int, str], Picture] | None = None
        for knob, (kind, *rest) in {**GENERIC, **CLASSES[cls]}.items():
            self._add(kind(knob, *rest))
        STATE.nodes[self._full()] = self

    def _add(self, knob: Knob) -> None:
        knob._node = self
        self._knobs[knob.name()] = knob

    def _full(self) -> str:
        inside = self._parent is not None and self._parent._cls != "Root"
        return "%s.%s" % (self._parent._full(), self._name) if inside else self._name

    def _alive(self) -> None:
        if self._dead:
            raise ValueError("A PythonObject is not attached to a node")

    def __getitem__(self, name: str) -> Any:
        on_main("Node.__getitem__")
        found = self.knob(name)
        if found is None:
            raise NameError("knob %s does not exist" % name)
        return found

    def knob(self, p: str) -> Knob | None:
        on_main("Node.knob")
        self._alive()
        if self._cls == "Root" and p == "name":
            return self._knobs["name"]
        return self.knobs().get(p)

    def knobs(self) -> dict[str, Knob]:
        on_main("Node.knobs")
        self._alive()
        exr = self._cls == "Write" and self._knobs["file_type"]._value == "exr"
        for name, (kind, *rest) in WRITE_EXR.items() if exr else ():
            if name not in self._knobs:
                self._add(kind(name, *rest))
        return self._knobs

    def Class(self) -> str:
        self._alive()
        return self._cls

    def name(self) -> str:
        self._alive()
        return self._name

    def fullName(self) -> str:
        self._alive()
        return self._full()

    def setName(self, name: str) -> None:
        on_main("Node.setName")
        self._alive()
        before = [(key, node) for key, node in STATE.nodes.items() if node is self or key.startswith(self._full() + ".")]
        for key, _ in before:
            del STATE.nodes[key]
        self._name = name
        for _, node in before:
            STATE.nodes[node._full()] = node

    def parent(self) -> Any:
        self._alive()
        return self._parent

    def inputs(self) -> int:
        self._alive()
        return max((index + 1 for index, node in self._inputs.items() if node is not None), default=0)

    def input(self, index: int) -> Any:
        on_main("Node.input")
        self._alive()
        return self._inputs.get(index)

    def setInput(self, i: int, node: Any) -> bool:
        on_main("Node.setInput")
        self._alive()
        if node is not None and not isinstance(node, Node):
            raise TypeError("setInput needs a Node")
        self._inputs[i] = node
        return True

    def dependent(self, mask: int) -> list[Any]:
        on_main("Node.dependent")
        return [node for node in STATE.nodes.values() if self in node._inputs.values()]

    def frameRange(self) -> FrameRange:
        on_main("Node.frameRange")
        return FrameRange(self["first"].value(), self["last"].value())

    def xpos(self) -> int:
        return int(self._knobs["xpos"].value())

    def ypos(self) -> int:
        return int(self._knobs["ypos"].value())

    def setXYpos(self, x: int, y: int) -> None:
        self._knobs["xpos"].setValue(x)
        self._knobs["ypos"].setValue(y)


class Group(Node):
    def node(self, s: str) -> Any:
        on_main("Group.node")
        self._alive()
        return STATE.nodes.get(s if self._cls == "Root" else "%s.%s" % (self._full(), s))

    def __enter__(self) -> Group:
        on_main("Group.__enter__")
        STATE.within.append(self)
        return self

    def __exit__(self, type: object, value: object, traceback: object) -> None:
        STATE.within.pop()


class Root(Group):
    def modified(self) -> bool:
        return STATE.changed

    def setModified(self, modified: bool) -> None:
        on_main("Root.setModified")
        STATE.changed = modified


def here() -> Any:
    """Return the group that new nodes go into."""
    return STATE.within[-1] if STATE.within else STATE.nodes["root"]


def new(cls: str) -> Node:
    """Make a node with a name that is free, as `nuke.nodes.CLASS()` does."""
    on_main("creating a node")
    parent = here()
    number = 1
    while Node._full(_Named(parent, "%s%d" % (cls, number))) in STATE.nodes:  # type: ignore[arg-type]
        number += 1
    node = (Group if cls in ("Group",) else Node)(cls, "%s%d" % (cls, number), parent)
    record("create " + node._name, lambda: None)
    return node


class _Named:
    def __init__(self, parent: Any, name: str) -> None:
        self._parent, self._name = parent, name


def from_gizmo(path: Path) -> Group:
    """Make the group of a gizmo file: inner nodes, connections, user knobs, values."""
    script = gizmo.read(path)
    assert script.errors == []
    head, *inner = script.nodes
    parent = here()
    number = 1
    while "%s%d" % (head["name"], number) in STATE.nodes:
        number += 1
    group = Group("Group", "%s%d" % (head["name"], number), parent)
    nodes = {str(node["name"]): Node(str(node["cls"]), str(node["name"]), group) for node in inner}
    for node in inner:
        for index, name in enumerate(node["inputs"]):  # type: ignore[arg-type]
            nodes[str(node["name"])]._inputs[index] = nodes[name] if name else None
    for user in script.user_knobs:
        group._add(_user(user))
    every = {**nodes, str(head["name"]): group}
    for name, _, knob, value in script.knobs:
        if knob in ("name", "inputs"):
            continue
        found = every[name]._knobs[knob]
        if value.startswith("{"):
            found._expression = value.strip('{}"')
        else:
            found._value = found._checked(found._read(value))
    return group


def _user(user: gizmo.UserKnob) -> Knob:
    defaults: dict[int, Any] = {1: "", 2: "", 3: 0, 6: False, 22: user.options.get("T", ""), 26: user.options.get("T", "")}
    defaults[41] = user.options.get("T", "")
    if user.kind == 4:
        return USER_KINDS[4](user.name, user.choices[0], tuple(user.choices))
    return USER_KINDS[user.kind](user.name, defaults.get(user.kind))
