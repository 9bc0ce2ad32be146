"""Inputs of the node rendered to EXR by a Write that lives as long as the render: one view, no proxy, raw, 32-bit, overscan kept."""

from __future__ import annotations

import filecmp
import os
import shutil
import uuid
from contextlib import contextmanager
from typing import Any, Iterator, List, Sequence, Tuple

import nuke

from . import frames as lists
from .complaints import RenderError, StoppedError

KNOBS: Tuple[Tuple[str, Any], ...] = (
    ("file_type", "exr"),
    ("datatype", "32 bit float"),
    ("compression", "Zip (1 scanline)"),
    ("metadata", "no metadata"),
    ("raw", True),
    ("autocrop", False),
    ("create_directories", True),
)
"""The Write's knobs in the order they are set: those of EXR exist only once it is one.

Without metadata, which names the state of the script, the same pixels are the same file.
"""


def rendered(node: Any, *, source: str, channels: str, frames: Sequence[int], view: str, into: str) -> List[str]:
    """Render an input of the node and return the files, `into` with #### for the number. Files that would be the same stay as they are.

    Raises RenderError, StoppedError when the artist stops it.
    """
    folder = os.path.dirname(into)
    place = "%s/.render.%s" % (folder, uuid.uuid4().hex[:8])
    name = os.path.basename(into)
    try:
        os.makedirs(place, exist_ok=True)
        _execute(node, source=source, channels=channels, frames=frames, view=view, file="%s/%s" % (place, name))
        return [_landed("%s/%s" % (place, _numbered(name, frame)), "%s/%s" % (folder, _numbered(name, frame))) for frame in frames]
    except OSError as error:
        raise RenderError(
            "%s cannot be written: %s." % (folder, error.strerror), remedy="Make room, or choose another Shot folder."
        ) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _execute(node: Any, *, source: str, channels: str, frames: Sequence[int], view: str, file: str) -> None:
    """Let a Write render frames of an inner Input, and take it away again."""
    with _undisturbed():
        with node:
            write = nuke.nodes.Write()
        try:
            write.setInput(0, node.node(source))
            for name, value in (*KNOBS, ("channels", channels), ("file", file)):
                write[name].setValue(value)
            nuke.execute(write, nuke.FrameRanges(lists.written(frames).split(",")), [view])
        except RuntimeError as error:
            if "cancel" in str(error).lower():
                raise StoppedError("The render of %s was stopped." % source) from None
            raise RenderError("%s could not be rendered: %s" % (source, error), remedy="See that input in a Viewer.") from None
        finally:
            nuke.delete(write)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Turn proxy mode and undo off, and put back both and whether the script counts as changed."""
    root = nuke.root()
    proxy, changed = root["proxy"].value(), root.modified()
    with undone():
        try:
            root["proxy"].setValue(False)
            yield
        finally:
            root["proxy"].setValue(proxy)
            root.setModified(changed)


@contextmanager
def undone() -> Iterator[None]:
    """Leave what is done inside out of the list of undo steps."""
    undo = nuke.Undo()
    undo.disable()
    try:
        yield
    finally:
        undo.enable()


def _landed(new: str, path: str) -> str:
    """Move a file to its place, unless the same is there already. Raises RenderError when the render left no such file."""
    if not os.path.isfile(new):
        raise RenderError("The render left no %s." % os.path.basename(path), remedy="See that input in a Viewer.")
    if not (os.path.isfile(path) and filecmp.cmp(new, path, shallow=False)):
        os.replace(new, path)
    return path


def _numbered(name: str, frame: int) -> str:
    return name.replace("####", "%04d" % frame)
