"""Pixels that a host without files gave, written into a shot folder as the files it lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.spaces import named
from bridge.sequence import Sequence
from bridge.shot.folder import PLATE, Shot
from bridge.window import Window
from bridge.wire.errors import UsageError, WindowError
from bridge.wire.messages import ShotFrame

LINEAR = "lin_rec709_scene"
Pixels = NDArray[Any]


def write_frame(shot: Shot, asked: ShotFrame, pixels: Pixels) -> None:
    """Write a frame that was given. pixels: H×W or H×W×C float. Raises UsageError, WindowError, StorageError."""
    height, width = pixels.shape[:2]
    data = Window(*asked.data_window) if asked.data_window else Window(0, 0, width, height)
    display = Window(*asked.display_window) if asked.display_window else data
    if data.size != (width, height):
        raise WindowError(f"{width}×{height} pixels do not fill the data window {data}.", frame=asked.frame)
    if asked.what == "trimap":
        shot.set_key_pixels(asked.frame, one_channel(pixels, None), window=data)
        return
    like = exr.bare_header(data, display=display, pixel_aspect=asked.pixel_aspect)
    files = Sequence.parse(shot.folder / (PLATE if asked.what == "plate" else f"{asked.what}/{asked.what}.####.exr"))
    _check_free(shot, asked.what, files)
    if asked.what == "plate":
        space = LINEAR if asked.colorspace == "auto" else named(asked.colorspace).name
        half = pixels.dtype == np.float16
        exr.write_rgb(files.path(asked.frame), three_channels(pixels), like=like, depth="half" if half else "float", interop_id=space)
        shot.update(replace(shot.description, plate=str(files)))
    else:
        exr.write_matte(files.path(asked.frame), one_channel(pixels, None), like=like, channels="rgba", depth="float")
        found = {asked.what: str(files)}
        shot.update(replace(shot.description, **found))  # type: ignore[arg-type]


def one_channel(pixels: Pixels, channel: str | None) -> NDArray[np.float32]:
    """Return one channel of H×W or H×W×C, H×W float32: the named one of R, G, B and A, else the first."""
    if pixels.ndim == 3:
        names = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        index = names.find(channel.upper()) if channel else 0
        if index < 0:
            raise UsageError(
                f"Pixels of {pixels.shape[2]} channels have no channel {channel!r}.", remedy=f"Name one of {', '.join(names)}."
            )
        pixels = pixels[..., index]
    return np.ascontiguousarray(pixels, np.float32)


def three_channels(pixels: Pixels) -> NDArray[np.float32]:
    """Return H×W×3 float32 of H×W or H×W×C: one channel is repeated, alpha is left out."""
    solid = pixels[..., None] if pixels.ndim == 2 else pixels
    colour = solid[..., :3] if solid.shape[2] >= 3 else np.repeat(solid[..., :1], 3, axis=2)
    return np.ascontiguousarray(colour, np.float32)


def _check_free(shot: Shot, what: str, files: Sequence) -> None:
    """Refuse frames of a shot whose files lie elsewhere: they are somebody's own."""
    known: str | None = getattr(shot.description, what)
    if known is not None and Path(known).parent.resolve() != files.folder.resolve():
        raise UsageError(
            f"The {what} of {shot.folder} are the files {known}.", remedy="Leave the frames out, or open the shot without these files."
        )
