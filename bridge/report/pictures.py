"""The pictures of a report: a frame as plate, trimap, alpha, over a checkerboard and over black."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.canvas import place
from bridge.imaging.contact import over_checker
from bridge.imaging.stills import jpeg, over_black, within
from bridge.sequence import Sequence
from bridge.shot.plates import Plates
from bridge.wire.errors import VideoMatteError

WIDTH = 480
Floats = NDArray[np.float32]
ROWS = ("Plate", "Trimap", "Alpha", "Over checker", "Over black")


@dataclass(frozen=True)
class Files:
    """Where the files of a shot are."""

    alpha: Sequence
    trimap: Sequence
    foreground: Sequence | None = None


def pictures(frame: int, files: Files, plates: Plates | None) -> Mapping[str, bytes]:
    """Return JPEGs by row; a row is missing where its file cannot be read."""
    found: dict[str, Floats | None] = dict.fromkeys(ROWS)
    alpha = found["Alpha"] = _alpha(files.alpha, frame)
    found["Trimap"] = _alpha(files.trimap, frame)
    plate = found["Plate"] = None if plates is None else _plate(frame, plates)
    if plate is not None and alpha is not None and plates is not None:
        colour = _foreground(frame, files, plates)
        over = plate if colour is None else colour
        found["Over checker"], found["Over black"] = over_checker(over, alpha), over_black(over, alpha)
    return {row: jpeg(picture) for row, picture in found.items() if picture is not None}


def alpha_on_canvas(files: Sequence, frame: int) -> Floats:
    """Return the alpha of a frame on its display window, H×W float32. Raises ImageError."""
    read = exr.read_channel(files.path(frame))
    return np.asarray(place(read.values, of=read.header.data_window, into=read.header.display_window), np.float32)


def _alpha(files: Sequence, frame: int) -> Floats | None:
    try:
        return within(alpha_on_canvas(files, frame), width=WIDTH)
    except VideoMatteError:
        return None


def _plate(frame: int, plates: Plates) -> Floats | None:
    """Return a plate as the networks see it, sRGB values on its display window, shrunk."""
    try:
        plate = plates.read(frame)
    except VideoMatteError:
        return None
    seen = plates.transform.view(plate.rgb)
    return within(np.asarray(place(seen, of=plate.window, into=plates.display), np.float32), width=WIDTH)


def _foreground(frame: int, files: Files, plates: Plates) -> Floats | None:
    if files.foreground is None:
        return None
    try:
        read = exr.read_plate(files.foreground.path(frame))
    except VideoMatteError:
        return None
    seen = plates.transform.view(read.rgb)
    return within(np.asarray(place(seen, of=read.header.data_window, into=plates.display), np.float32), width=WIDTH)
