"""Whether Source can be taken from the files of a Read, because they hold the very pixels that Nuke sees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Optional

import nuke

NUMBER = re.compile(r"%0?\d*d|#+")
OWN = ("file", "raw", "colorspace", "premultiplied", "frame", "frame_mode")
"""Knobs of a Read that change its pixels when they move or are expressions."""
PASSING = ("Dot", "NoOp")


@dataclass(frozen=True)
class Found:
    """The pattern of the files; without one, why Source is rendered."""

    pattern: Optional[str] = None
    why: str = ""


def files_of(node: Optional[Any], *, first: int, last: int) -> Found:
    """Return the files that hold the pixels of a node over a range, or why they cannot be used."""
    while node is not None and node.Class() in PASSING:
        node = node.input(0)
    if node is None:
        return Found(why="nothing is connected")
    if node.Class() != "Read":
        return Found(why="%s is no Read" % node.fullName())
    why = _change(node) or _outside(node, first, last)
    return Found(why="%s %s" % (node.fullName(), why)) if why else Found(node["file"].value().replace("\\", "/"))


def _change(read: Any) -> str:
    """Return what stands between the files of a Read and its pixels; the empty text when nothing does."""
    file = read["file"].value() or ""
    moving = [name for name in OWN if read[name].isAnimated() or read[name].hasExpression()]
    if moving:
        return "animates %s" % moving[0]
    if "[" in file or "%v" in file.lower():
        return "names its files by an expression or by views"
    if not file.lower().endswith(".exr") or not NUMBER.search(file):
        return "reads no EXR sequence"
    if not re.match(r"/|[A-Za-z]:[/\\]|\\\\", file):
        return "names its files by a relative path"
    if len(nuke.views()) > 1:
        return "has several views"
    if not read["raw"].value() and not _is_working(str(read["colorspace"].value())):
        return "converts colour from %s" % read["colorspace"].value()
    if read["premultiplied"].value():
        return "unpremultiplies while it converts"
    if read["frame_mode"].value() != "expression" or str(read["frame"].value() or "").strip():
        return "shifts frames"
    return "is disabled" if read["disable"].value() else ""


def _is_working(colorspace: str) -> bool:
    """Return whether a Read in this colour space converts nothing: it is the working space itself."""
    knob = nuke.root().knob("workingSpaceLUT")
    working = str(knob.value()) if knob is not None else "linear"
    return plain(colorspace) == plain(working)


def plain(name: str) -> str:
    """Return the name of a colour space without the role that stands around it: `default (linear)` is `linear`."""
    found = re.match(r"^(?:default|scene_linear)\s*\((.*)\)$", name.strip())
    return (found[1] if found else name.strip()).lower()


def _outside(read: Any, first: int, last: int) -> str:
    if first < int(read["first"].value()) or last > int(read["last"].value()):
        return "holds %d-%d only" % (int(read["first"].value()), int(read["last"].value()))
    return ""
