"""Key frames: the trimaps an artist painted, each placed on its own plate."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.canvas import fit, place
from bridge.imaging.trimap import classify, inspect
from bridge.sequence import Sequence, format_range
from bridge.wire.errors import TrimapError

from .content import digest_of
from .plates import Plates, at

log = logging.getLogger(__name__)
Classes = NDArray[np.uint8]


@dataclass(frozen=True)
class Key:
    """A key frame, the file it was painted in, and what names its content."""

    frame: int
    path: Path
    digest: str


@dataclass(frozen=True)
class Matte:
    """A trimap, garbage or holdout matte on a plate's data window, H×W float32; the channel it is, and the part of the file."""

    values: NDArray[np.float32]
    channel: str
    part: int


def find(trimaps: Sequence, plates: Plates) -> dict[int, Path]:
    """Return the file of every key frame that has a plate.

    A trimap file without a number belongs to the first plate frame. Raises SequenceError or TrimapError.
    """
    frames = trimaps.frames()
    if (trimaps.is_single and trimaps.number is None) or (trimaps.is_single and plates.sequence.is_single):
        return {plates.frames[0]: trimaps.path(frames[0])}
    present = set(plates.frames)
    orphans = [f for f in frames if f not in present]
    if len(orphans) == len(frames):
        raise TrimapError(
            f"{trimaps}: its frames {format_range(frames)} have no plate; the plate {plates.sequence} holds {format_range(plates.frames)}.",
            remedy="Number the trimap like the plate frame it was painted on.",
            file=str(trimaps),
        )
    if orphans:
        log.warning("%s: frames %s have no plate and are left out", trimaps, format_range(orphans))
    return {f: trimaps.path(f) for f in frames if f in present}


def read(files: Mapping[int, Path], plates: Plates, *, channel: str | None = None) -> Iterator[tuple[Key, Classes]]:
    """Read the key frames one after the other, each with its classes, H×W uint8 on the plate's data window.

    Raises ImageError, WindowError, each naming file and frame.
    """
    for frame, path in sorted(files.items()):
        digest = plates.inputs(path, frame=frame)
        matte, classes = painted(path, frame, plates, channel=channel)
        yield Key(frame, path, digest_of([digest, matte.part, matte.channel])), classes


def painted(path: Path, frame: int, plates: Plates, *, channel: str | None = None) -> tuple[Matte, Classes]:
    """Read what an artist painted for a frame, with its classes, H×W uint8 on the plate's data window; say what may not be meant.

    Raises ImageError, WindowError, naming file and frame.
    """
    matte = _read(path, frame, plates, channel)
    log.info("key frame %d: channel %s of %s", frame, matte.channel, path)
    classes = classify(matte.values)
    _remark(path, classes)
    return matte, classes


def classes_of(key: Key, plates: Plates, *, channel: str | None = None) -> Classes:
    """Return the classes of a key frame, H×W uint8 on its plate's data window. Raises ImageError, WindowError, ShotError."""
    return classify(_read(key.path, key.frame, plates, channel).values)


def _read(path: Path, frame: int, plates: Plates, channel: str | None) -> Matte:
    with at(frame):
        header = plates.header(frame)
        return plates.inputs.read(path, lambda: read_matte(path, onto=header, channel=channel), frame=frame)


def read_matte(path: Path, *, onto: exr.Header, channel: str | None = None) -> Matte:
    """Read one channel of a file onto a plate's data window, 0 where the file has no pixels.

    `channel` may name a layer too (`roto.A`, or `roto` alone). A file that has the plate's view is read in that view.
    Raises ImageError, WindowError.
    """
    view, layer, channel = _meant(exr.read_header(path), onto, channel)
    found = exr.read_channel(path, channel=channel, view=view, layer=layer)
    own = found.header
    window = fit(
        found.values,
        own_data=own.data_window,
        own_display=own.display_window,
        plate_data=onto.data_window,
        plate_display=onto.display_window,
        name=str(path),
        windowed=own.file_format == "openexr",
    )
    return Matte(place(found.values, of=window, into=onto.data_window), found.chosen, own.selection.part)


def _meant(own: exr.Header, onto: exr.Header, channel: str | None) -> tuple[str | None, str | None, str | None]:
    """Return the view, the layer and the channel to ask for in a file with the header `own`."""
    view = onto.view if onto.view in own.views else None
    if channel is None or (channel in own.channels and "." not in channel):
        return view, None, channel
    if channel in own.layers:
        return view, channel, None
    layer, _, name = channel.rpartition(".")
    return (view, layer, name) if layer in own.layers else (view, None, channel)


def _remark(path: Path, classes: Classes) -> None:
    """Say what an artist may not have meant; a trimap like that still guides a matte."""
    facts = inspect(classes)
    if facts.unknown == 0.0:
        log.warning("%s: nothing is unknown in this trimap, so its frame gets a hard matte", path)
    elif facts.unknown == 1.0:
        log.warning("%s: everything is unknown in this trimap; paint what is surely background and foreground for a better matte", path)
    elif facts.foreground == 0.0:
        log.warning("%s: nothing is foreground in this trimap; its colour is guessed", path)
