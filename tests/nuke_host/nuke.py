"""A strict stand-in for Nuke's module: it has what the plug-in uses and nothing else, keeps Nuke's rules of threads, and renders real EXRs.

Names and parameters are Nuke's own; what belongs to tests begins with an underscore.
"""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import host_nodes
from host_nodes import FrameRange, Group, Node, Root
from host_pictures import write_exr
from host_state import STATE, on_main
from host_state import reset as _forget

__all__ = ["FrameRange", "FrameRanges", "Group", "Node", "ProgressTask", "Root", "Undo"]
GUI: bool
INPUTS = 1
KNOBS = ("file", "file_type", "channels", "raw", "datatype", "autocrop", "metadata", "create_directories")
CHANNELS = {"rgb": "RGB", "rgba": "RGBA", "alpha": "A"}


def __getattr__(name: str) -> Any:
    if name == "GUI":
        return STATE.gui
    raise AttributeError("module 'nuke' has no attribute %r" % name)


class _Environment:
    def __getitem__(self, key: str) -> Any:
        known = {"gui": STATE.gui, "nc": STATE.special == "nc", "indie": STATE.special == "indie", "assist": False}
        return known[key]


class _Nodes:
    def __getattr__(self, item: str) -> Callable[[], Node]:
        if item not in host_nodes.CLASSES:
            raise AttributeError(item)
        return lambda: host_nodes.new(item)


env = _Environment()
nodes = _Nodes()


class FrameRanges:
    def __init__(self, frames: list[str]) -> None:
        if not isinstance(frames, list):
            raise TypeError("FrameRanges takes a list of texts")
        self._frames: list[int] = []
        for text in frames:
            found = re.fullmatch(r"(-?\d+)(?:-(-?\d+))?(?:x(\d+))?", text)
            assert found, text
            self._frames += range(int(found[1]), int(found[2] or found[1]) + 1, int(found[3] or 1))

    def toFrameList(self) -> list[int]:
        return list(self._frames)

    def __iter__(self) -> Iterator[int]:
        return iter(self._frames)


class ProgressTask:
    def __init__(self, title: str) -> None:
        self._title, self._said = title, []
        STATE.tasks.append(self)

    def setMessage(self, message: str) -> None:
        self._said.append(str(message))

    def setProgress(self, percent: int) -> None:
        if not isinstance(percent, int) or not 0 <= percent <= 100:
            raise TypeError("setProgress takes 0 to 100, not %r" % percent)

    def isCancelled(self) -> bool:
        return STATE.crossed


class Undo:
    def __init__(self, name: str = "") -> None:
        self._name = name

    def __enter__(self) -> Undo:
        on_main("Undo")
        STATE.open_step = []
        return self

    def __exit__(self, type: object, value: object, traceback: object) -> None:
        steps, STATE.open_step = STATE.open_step, None
        if steps and not STATE.undo_off:
            STATE.steps.append((self._name, steps))

    @classmethod
    def disable(cls) -> None:
        on_main("Undo.disable")
        STATE.undo_off += 1

    @classmethod
    def enable(cls) -> None:
        STATE.undo_off -= 1

    @classmethod
    def undo(cls) -> None:
        _, steps = STATE.steps.pop()
        for back in reversed(steps):
            back()


def execute(nameOrNode: Node, frameRangeSet: FrameRanges, views: list[str]) -> None:
    """Render a Write: one view, EXR, raw, whole windows; every frame is a real file."""
    on_main("execute")
    if len(views) != 1 or views[0] not in STATE.views:
        raise AssertionError("name exactly one view that exists: %r" % (views,))
    write = nameOrNode
    said = {name: write[name].value() for name in KNOBS}
    assert said["file_type"] == "exr", said
    assert said["raw"], said
    assert not said["autocrop"], said
    assert said["metadata"] == "no metadata", said
    assert STATE.undo_off, "a render of ours is no undo step"
    STATE.executed.append((write._inputs[0]._name, frameRangeSet.toFrameList(), views[0], said["datatype"]))
    for frame in frameRangeSet:
        if frame == STATE.stop_render_at:
            raise RuntimeError("Cancelled")
        _write(write, frame, views[0], said)


def _write(write: Node, frame: int, view: str, said: dict[str, Any]) -> None:
    path = said["file"].replace("####", "%04d" % frame)
    if not os.path.isdir(os.path.dirname(path)):
        if not said["create_directories"]:
            raise RuntimeError("%s: no such directory" % path)
        os.makedirs(os.path.dirname(path))
    if STATE.full:
        raise RuntimeError("Write failed [No space left on device]: %s" % path)
    node = write._inputs[0]
    while node is not None and node._picture is None:
        outside = node._cls == "Input"
        node = node._parent._inputs.get(node._knobs["number"]._value) if outside else node._inputs.get(0)
    if node is None:
        raise RuntimeError("%s: nothing to write" % path)
    write_exr(path, node._picture(frame, view), CHANNELS[said["channels"]])


def executeInMainThread(call: Callable[..., Any], args: Any = (), kwargs: Any = {}) -> None:  # noqa: B006
    if threading.get_ident() == STATE.main:
        raise RuntimeError("not allowed in the main thread")
    if not STATE.gui:
        raise AssertionError("a terminal has no event loop")
    STATE.calls.put((call, args if isinstance(args, tuple) else (args,), dict(kwargs)))


def toNode(s: str) -> Any:
    on_main("toNode")
    return STATE.nodes.get(s)


def thisNode() -> Any:
    on_main("thisNode")
    return STATE.this


def allNodes(filter: str) -> list[Any]:
    on_main("allNodes")
    if STATE.special:
        raise RuntimeError("this licence may not look at all nodes")
    return [node for node in STATE.nodes.values() if node._cls == filter and node._parent is host_nodes.here()]


def createNode(typ: str, knobs: str = "", inpanel: bool = True) -> Any:
    on_main("createNode")
    for folder in STATE.paths:
        if Path(folder, typ + ".gizmo").exists():
            return host_nodes.from_gizmo(Path(folder, typ + ".gizmo"))
    return getattr(nodes, typ)()


def delete(n: Node) -> None:
    on_main("delete")
    n._alive()
    for name in [key for key in STATE.nodes if key == n._full() or key.startswith(n._full() + ".")]:
        STATE.nodes.pop(name)._dead = True


def root() -> Any:
    on_main("root")
    return STATE.nodes["root"]


def views() -> list[str]:
    on_main("views")
    return list(STATE.views)


def frame(f: int | None = None) -> int:
    on_main("frame")
    if f is not None:
        STATE.frame = f
    return STATE.frame


def message(prompt: str) -> None:
    on_main("message")
    if not STATE.gui:
        raise AssertionError("a dialog in a terminal: " + prompt)
    STATE.messages.append(prompt)


def tprint(*args: Any) -> None:
    STATE.printed.append(" ".join(str(arg) for arg in args))


def scriptOpen(filename: str) -> None:
    STATE.nodes["root"]._knobs["name"]._value = filename


def scriptSave(filename: str) -> bool:
    STATE.changed = False
    return True


def pluginAddPath(args: str, addToSysPath: bool = True) -> None:
    path = os.path.normpath(os.path.join(STATE.startup, args))
    STATE.paths.insert(0, path)
    if addToSysPath:
        sys.path.append(path)


def menu(name: str) -> _Menu:
    if not STATE.gui:
        raise RuntimeError("there are no menus in a terminal")
    if name not in ("Nuke", "Nodes"):
        raise RuntimeError("no menu " + name)
    return _Menu(name)


class _Menu:
    def __init__(self, path: str) -> None:
        self._path = path

    def addMenu(self, name: str) -> _Menu:
        return _Menu(self._path + "/" + name)

    def addCommand(self, name: str, command: str) -> None:
        STATE.menus.append("%s/%s: %s" % (self._path, name, command))


def _begin(script: str = "", *, gui: bool = True) -> None:
    """Begin a session with an empty script of this name."""
    _forget()
    STATE.gui = gui
    found = Root("Root", "root", None)
    found._knobs["name"]._value = script


def _pump(true: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Be Nuke's event loop until something is true: run what threads ask for; what goes wrong there is printed, as Nuke does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited %g s in vain; printed: %s" % (seconds, STATE.printed)
        try:
            call, args, kwargs = STATE.calls.get(timeout=0.02)
        except queue.Empty:
            continue
        try:
            call(*args, **kwargs)
        except Exception:
            STATE.printed.append(traceback.format_exc())
