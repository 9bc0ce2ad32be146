"""Mattes, foregrounds and trimaps as EXR with the plate's windows and attributes; no file counts until it has been read back.

The rules:
- ZIP in blocks of 16 lines, float or half: exact everywhere. Never DWA or B44.
- The same pixels and attributes make the same bytes: the date is the plate's, or there is none.
- A matte is coverage, not colour: it says `data` and drops what describes the plate's colour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio  # noqa: N813

from bridge.exr.door import error_text, set_limits
from bridge.exr.header import Header
from bridge.exr.landing import landing, why_incomplete
from bridge.exr.read import Pixels
from bridge.wire.errors import VideoMatteError, WindowError

Depth = Literal["float", "half"]
Attributes = Mapping[str, str | int | float]

PREFIX = "videomatte:"
CHANNELS = {"rgba": ("R", "G", "B", "A"), "a": ("A",), "y": ("Y",)}
HALF_LIMIT = 65504.0
COLOUR_ATTRIBUTES = ("chromaticities", "oiio:ColorSpace", "acesImageContainerFlag", "colorInteropID", "adoptedNeutral", "whiteLuminance")
STORAGE_ATTRIBUTES = (
    *("textureformat", "wrapmodes", "name", "view", "multiView", "compression", "type", "envmap", "ICCProfile", "Orientation"),
    *("nuke/node_hash", "Software", "planarconfig", "Exif:ColorSpace", "gamma"),
)
STORAGE_PREFIXES = ("openexr:", "oiio:", "thumbnail_", "tiff:", "png:", "jpeg:", "ICCProfile:", PREFIX)
_STORED = re.compile("|".join([*(f"{re.escape(n)}$" for n in STORAGE_ATTRIBUTES), *map(re.escape, STORAGE_PREFIXES)]), re.IGNORECASE)


def write_matte(
    path: str | Path,
    alpha: npt.NDArray[np.float32],
    *,
    like: Header,
    channels: Literal["rgba", "a", "y"] = "rgba",
    depth: Depth = "float",
    attributes: Attributes | None = None,
) -> None:
    """Write a matte with the windows and attributes of the plate `like`.

    alpha: H×W float32, coverage 0..1 over the plate's data window. channels: `rgba` writes it four times (white premultiplied by
    alpha), `a` and `y` once. attributes: provenance, written as `videomatte:NAME`.

    Raises:
        WindowError: alpha does not cover the plate's data window.
        StorageError: the disk is full, the folder cannot be written, or the file reads back differently.
    """
    names = CHANNELS[channels]
    spec = _spec_like(like, names, depth, attributes)
    _erase_colour(spec)
    spec["colorInteropID"] = "data"
    _write(Path(path), _repeated(alpha, len(names), depth), spec, like)


def write_trimap(path: str | Path, trimap: npt.NDArray[np.float32], *, like: Header, attributes: Attributes | None = None) -> None:
    """Write a trimap as half float, the same value in R, G, B and A.

    trimap: H×W float32 over the plate's data window, 0 background, 0.5 unknown, 1 foreground.

    Raises:
        WindowError, StorageError: as for `write_matte`.
    """
    write_matte(path, trimap, like=like, channels="rgba", depth="half", attributes=attributes)


def write_rgb(
    path: str | Path, rgb: npt.NDArray[np.float32], *, like: Header, depth: Depth = "float", attributes: Attributes | None = None
) -> None:
    """Write colour with the windows, attributes and colour space of the plate `like`.

    rgb: H×W×3 float32 over the plate's data window, in the plate's own colour space, unpremultiplied for a foreground.
    Half keeps values up to ±65504.

    Raises:
        WindowError, StorageError: as for `write_matte`.
    """
    spec = _spec_like(like, ("R", "G", "B"), depth, attributes)
    with np.errstate(over="ignore"):
        pixels: Pixels = np.ascontiguousarray(np.clip(rgb, -HALF_LIMIT, HALF_LIMIT) if depth == "half" else rgb, dtype=_dtype(depth))
    _write(Path(path), pixels, spec, like)


def _dtype(depth: Depth) -> type[np.float16] | type[np.float32]:
    return np.float16 if depth == "half" else np.float32


def _repeated(values: npt.NDArray[np.float32], count: int, depth: Depth) -> Pixels:
    """Return values H×W as H×W×count."""
    stored: Pixels = np.asarray(values, dtype=_dtype(depth))
    if stored.ndim != 2:
        raise WindowError(f"a matte has rows and columns, not {stored.ndim} dimensions")
    return np.ascontiguousarray(np.broadcast_to(stored[..., None], (*stored.shape, count)))


def _spec_like(like: Header, names: tuple[str, ...], depth: Depth, attributes: Attributes | None) -> oiio.ImageSpec:
    """Copy the plate's header for other channels: windows and attributes stay, what describes its storage goes."""
    spec = oiio.ImageSpec(like.spec)
    spec.nchannels, spec.channelnames, spec.channelformats = len(names), names, ()
    spec.alpha_channel = names.index("A") if "A" in names else -1
    spec.z_channel, spec.deep = -1, False
    spec.tile_width = spec.tile_height = spec.tile_depth = 0
    display = like.display_window
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = display.x0, display.y0, display.width, display.height
    spec.set_format(oiio.HALF if depth == "half" else oiio.FLOAT)
    keep = ("oiio:ColorSpace",)
    for name in [a.name for a in spec.extra_attribs]:
        if _STORED.match(name) and name not in keep:
            spec.erase_attribute(name)
    if not isinstance(spec.getattribute("DateTime"), str):
        spec["DateTime"] = ""
    spec["compression"] = "zip"
    for name, value in sorted((attributes or {}).items()):
        spec[f"{PREFIX}{name.removeprefix(PREFIX)}"] = value
    return spec


def _erase_colour(spec: oiio.ImageSpec) -> None:
    for name in COLOUR_ATTRIBUTES:
        spec.erase_attribute(name)


def _write(path: Path, pixels: Pixels, spec: oiio.ImageSpec, like: Header) -> None:
    """Write, read back, compare, land."""
    height, width = pixels.shape[:2]
    if (width, height) != like.data_window.size:
        message = f"{path}: {width}×{height} pixels do not cover the plate's data window, {like.data_window}"
        raise WindowError(message, file=str(path))
    if not np.isfinite(pixels).all():
        raise VideoMatteError(f"{path}: the result holds NaN or Inf and was not written", file=str(path))
    set_limits()
    with landing(path) as temporary:
        if problem := _store(temporary, pixels, spec):
            raise why_incomplete(path, pixels.nbytes, problem)
        if not _reads_back(temporary, pixels):
            raise why_incomplete(path, pixels.nbytes, "")


def _store(temporary: Path, pixels: Pixels, spec: oiio.ImageSpec) -> str:
    """Write the pixels and return what went wrong, as far as it is told: `close` always claims success."""
    out = oiio.ImageOutput.create("openexr")
    if out is None:
        return "OpenImageIO has no OpenEXR"
    stored = out.open(str(temporary), spec) and out.write_image(pixels)
    said = error_text(out)
    out.close()
    return "" if stored else said or "the pixels were not taken"


def _reads_back(temporary: Path, pixels: Pixels) -> bool:
    """Decode the whole file and compare every byte."""
    source = oiio.ImageInput.open(str(temporary))
    if source is None:
        error_text()
        return False
    kind = oiio.HALF if pixels.dtype == np.float16 else oiio.FLOAT
    try:
        back = source.read_image(0, 0, 0, pixels.shape[2], kind)
        error_text(source)
        bits = np.uint16 if kind == oiio.HALF else np.uint32
        return back is not None and back.size == pixels.size and np.array_equal(back.reshape(pixels.shape).view(bits), pixels.view(bits))
    finally:
        source.close()
