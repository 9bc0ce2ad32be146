"""The frames at which something above an input is keyed: the shapes of a Roto or RotoPaint, else any animated knob."""

from __future__ import annotations

from typing import Any, Iterator, Optional, Set, Tuple

DEPTH = 50  # nodes that are followed upwards


def key_frames(node: Optional[Any]) -> Tuple[int, ...]:
    """Return the key frames of the nearest node upwards, along its first input, that has any; nothing when none has."""
    for _ in range(DEPTH):
        if node is None:
            break
        found = _of_shapes(node) if node.Class() in ("Roto", "RotoPaint") else _of_knobs(node)
        if found:
            return tuple(sorted(found))
        node = node.input(0)
    return ()


def _of_knobs(node: Any) -> Set[int]:
    return {round(frame) for knob in node.knobs().values() if knob.isAnimated() for frame in knob.getKeyList()}


def _of_shapes(node: Any) -> Set[int]:
    return {round(time) for point in _points(getattr(node["curves"], "rootLayer", ())) for time in point.getControlPointKeyTimes()}


def _points(elements: Any) -> Iterator[Any]:
    """Yield the points of shapes and strokes, in layers however deep."""
    for element in elements:
        if hasattr(element, "getControlPointKeyTimes"):
            yield element
        elif hasattr(element, "center"):
            yield element.center
        elif hasattr(element, "__iter__"):
            yield from _points(element)
