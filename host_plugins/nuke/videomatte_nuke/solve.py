"""Solve and preview: inputs to files, files to the daemon, its mattes into the node."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import nuke

from . import identity, source
from .complaints import NodeError
from .conversation import Order, Outcome, greet
from .render import rendered
from .run import RUNNING, Run, tell
from .settings import Settings, settings_of
from .wire.description import Description
from .wire.messages import FrameResult, JobResult
from .wire.pixels import FilePixels

SOURCE, TRIMAP, GARBAGE, HOLDOUT = range(4)
IN_THE_SHOT = "shot"  # what a description says of a foreground that lies in the shot folder
LABELS = ("Source", "Trimap", "Garbage", "Holdout")


def solve(node: Any) -> None:
    """Solve what is new or stale of a node's shot. Raises VideoMatteError."""
    _begun(node, None)


def preview(node: Any) -> None:
    """Solve the current frame quickly and show it. Raises VideoMatteError."""
    frame = nuke.frame()
    if not node["first"].value() <= frame <= node["last"].value():
        raise NodeError("Frame %d lies outside of the frame range." % frame, remedy="Go to a frame of the range.", frame=frame)
    _begun(node, frame)


def _begun(node: Any, frame: Optional[int]) -> None:
    known = identity.identify(node)
    if known in RUNNING:
        raise NodeError("A job of %s is running." % node.name(), remedy="Wait for its end, or press Cancel.")
    settings = settings_of(node)
    for index in (SOURCE, TRIMAP):
        if node.input(index) is None:
            raise NodeError("Nothing is connected to %s." % LABELS[index], remedy="Connect it, and press again.")
    greet(settings.link)
    order = replace(ordered(node, settings, needed(settings, frame)), preview=frame)
    tell(node, "At work since %s." % _clock())
    finish = _solved(settings) if frame is None else _previewed(settings, frame)
    Run(node.fullName(), known, order, settings.link, finish).start()


def needed(settings: Settings, frame: Optional[int]) -> Tuple[int, ...]:
    """Return the frames of Source that a solve looks at, or the few that a preview does: keys, the frame, its neighbours."""
    if frame is None:
        return tuple(range(settings.first, settings.last + 1))
    near = {f for f in (frame - 1, frame, frame + 1) if settings.first <= f <= settings.last}
    return tuple(sorted(near | set(settings.keys)))


def ordered(node: Any, settings: Settings, whole: Tuple[int, ...]) -> Order:
    """Make files of a node's inputs where there are none, and say what is asked. Raises RenderError, StoppedError."""
    keys = rendered(
        node,
        source="Trimap",
        channels="rgba",
        frames=settings.keys,
        view=settings.view,
        into=settings.folder + "/.nuke/key.####.exr",
    )
    mattes: Dict[str, str] = {}
    for index, name in ((GARBAGE, "garbage"), (HOLDOUT, "holdout")):
        mattes[name] = ""
        if node.input(index) is not None:
            mattes[name] = "%s/%s/%s.####.exr" % (settings.folder, name, name)
            rendered(node, source=LABELS[index], channels="alpha", frames=whole, view=settings.view, into=mattes[name])
    description = Description(
        plate=_plate(node, settings, whole),
        frames=settings.range,
        foreground=IN_THE_SHOT if settings.write_foreground else "",
        garbage=mattes["garbage"],
        holdout=mattes["holdout"],
        device=settings.device,
        profile=settings.profile,
        colorspace=settings.space,
        depth="half" if settings.depth == "half" else "float",
    )
    return Order(settings.folder, description, dict(zip(settings.keys, keys)), settings.trimap_channel)


def _plate(node: Any, settings: Settings, whole: Tuple[int, ...]) -> str:
    """Return the pattern of the plate: the files of a Read where they hold the same pixels, else rendered ones."""
    files = source.Found(why="Source from says so")
    if not settings.always_render:
        files = source.files_of(node.input(SOURCE), first=settings.first, last=settings.last)
    if files.pattern is not None:
        return files.pattern
    nuke.tprint("VideoMatte: Source is rendered: %s." % files.why)
    pattern = settings.folder + "/plate/plate.####.exr"
    rendered(node, source="Source", channels="rgb", frames=whole, view=settings.view, into=pattern)
    return pattern


def _solved(settings: Settings) -> Any:
    def finish(node: Any, outcome: Outcome) -> str:
        result = outcome.result
        assert isinstance(result, JobResult)
        folder = outcome.version or result.version
        if folder is None:
            raise NodeError("The daemon has written no version of the matte.", remedy="Press Ask status.")
        with nuke.Undo("VideoMatte solve"):
            _play(node.node("ReadMatte"), folder.replace("\\", "/") + "/alpha.####.exr", settings.first, settings.last)
            if result.files.foreground:
                _play(node.node("ReadForeground"), result.files.foreground.replace("\\", "/"), settings.first, settings.last)
            node["vm_solved"].setValue(True)
            node["show_preview"].setValue(False)
        return _report(result, folder)

    return finish


def _report(result: JobResult, folder: str) -> str:
    parts = ["%s at %s: solved %s" % (os.path.basename(folder.rstrip("/\\")), _clock(), result.solved or "nothing, all is current")]
    if result.kept:
        parts.append("kept %s" % result.kept)
    if result.missing:
        parts.append("plate missing at %s" % result.missing)
    return "; ".join(parts) + "." + "".join("\n" + note for note in result.notes)


def _previewed(settings: Settings, frame: int) -> Any:
    def finish(node: Any, outcome: Outcome) -> str:
        result = outcome.result
        assert isinstance(result, FrameResult)
        if not isinstance(result.pixels, FilePixels):
            raise NodeError("The daemon has made no preview of frame %d." % frame, frame=frame)
        path = _own_copy(Path(result.pixels.path))
        with nuke.Undo("VideoMatte preview"):
            _play(node.node("ReadPreview"), path.as_posix(), frame, frame)
            node["show_preview"].setValue(True)
        return "Frame %d previewed at %s." % (frame, _clock())

    return finish


def _own_copy(path: Path) -> Path:
    """Copy a preview under a name that Nuke has not read yet, and take older copies away, but for those that Windows holds."""
    for old in path.parent.glob("nuke.*.exr"):
        with contextlib.suppress(OSError):
            old.unlink()
    own = path.with_name("nuke.%d.%s" % (time.time_ns(), path.name))
    shutil.copyfile(path, own)
    return own


def _play(read: Any, file: str, first: int, last: int) -> None:
    """Let a Read play files of a range."""
    for name, value in (("file", file), ("first", first), ("last", last), ("origfirst", first), ("origlast", last), ("origset", True)):
        read[name].setValue(value)


def _clock() -> str:
    return time.strftime("%H:%M")
