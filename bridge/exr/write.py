"""Mattes, foregrounds and trimaps as EXR with the plate's windows and attributes; no file counts until it has been read back.

The rules:
- ZIP in blocks of 16 lines, float or half: exact everywhere. Never DWA or B44.
- The same pixels and attributes make the same bytes: the date is the plate's, or there is none.
- A matte is coverage, not colour: it says `data` and drops what describes the plate's colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

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
BLOCK_ROWS = 64
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
    path, names = Path(path), CHANNELS[channels]
    if alpha.ndim != 2:
        raise WindowError(f"{path}: a matte has rows and columns, not {alpha.ndim} dimensions", file=str(path))
    spec = _spec_like(like, names, depth, attributes)
    _erase_colour(spec)
    spec["colorInteropID"] = "data"
    stored = _stored(alpha, depth, path)[..., None]
    _write(path, np.broadcast_to(stored, (*alpha.shape, len(names))), spec, like)


def write_trimap(path: str | Path, trimap: npt.NDArray[np.float32], *, like: Header, attributes: Attributes | None = None) -> None:
    """Write a trimap as half float, the same value in R, G, B and A.

    trimap: H×W float32 over the plate's data window, 0 background, 0.5 unknown, 1 foreground.

    Raises:
        WindowError, StorageError: as for `write_matte`.
    """
    write_matte(path, trimap, like=like, channels="rgba", depth="half", attributes=attributes)


def write_rgb(
    path: str | Path,
    rgb: npt.NDArray[np.float32],
    *,
    like: Header,
    depth: Depth = "float",
    interop_id: str | None = None,
    attributes: Attributes | None = None,
) -> None:
    """Write colour with the windows and attributes of the plate `like`.

    rgb: H×W×3 float32 over the plate's data window, unpremultiplied for a foreground. Half keeps values up to ±65504.
    interop_id: the colour space of `rgb` (`lin_rec709_scene`); None where it is the plate's own, whose colour attributes are kept.

    Raises:
        WindowError, StorageError: as for `write_matte`.
    """
    path = Path(path)
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise WindowError(f"{path}: colour has rows, columns and 3 channels, not the shape {rgb.shape}", file=str(path))
    spec = _spec_like(like, ("R", "G", "B"), depth, attributes)
    if interop_id:
        _erase_colour(spec)
        spec["colorInteropID"] = interop_id
    _write(path, _stored(rgb, depth, path), spec, like)


def _stored(values: npt.NDArray[np.float32], depth: Depth, path: Path) -> Pixels:
    """Return values in the depth to be stored; half holds up to ±65504.

    Raises:
        VideoMatteError: a value is NaN or Inf.
    """
    if not np.isfinite(values).all():
        raise VideoMatteError(f"{path}: the result holds NaN or Inf and was not written", file=str(path))
    if depth == "half":
        return np.clip(values, -HALF_LIMIT, HALF_LIMIT).astype(np.float16)
    return np.asarray(values, dtype=np.float32)


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
    """Write, read back, compare, land. pixels: H×W×C of any strides, in the depth to be stored."""
    height, width = pixels.shape[:2]
    if (width, height) != like.data_window.size:
        message = f"{path}: {width}×{height} pixels do not cover the plate's data window, {like.data_window}"
        raise WindowError(message, file=str(path))
    set_limits()
    with landing(path) as temporary:
        if problem := _store(temporary, pixels, spec):
            raise why_incomplete(path, pixels.nbytes, problem)
        if not _reads_back(temporary, pixels):
            raise why_incomplete(path, pixels.nbytes, "")


def _blocks(pixels: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """Yield rows in small contiguous blocks, so that neither four equal channels nor their copy are ever in memory whole."""
    for first in range(0, len(pixels), BLOCK_ROWS):
        block = np.ascontiguousarray(pixels[first : first + BLOCK_ROWS])
        yield first, first + len(block), block


def _store(temporary: Path, pixels: Pixels, spec: oiio.ImageSpec) -> str:
    """Write the pixels and return what went wrong, as far as it is told: `close` always claims success."""
    out = oiio.ImageOutput.create("openexr")
    if out is None:
        return "OpenImageIO has no OpenEXR"
    stored = out.open(str(temporary), spec) and all(
        out.write_scanlines(spec.y + first, spec.y + last, 0, block) for first, last, block in _blocks(pixels)
    )
    said = error_text(out)
    out.close()
    return "" if stored else said or "the pixels were not taken"


def _reads_back(temporary: Path, pixels: Pixels) -> bool:
    """Decode the whole file and compare every bit."""
    source = oiio.ImageInput.open(str(temporary))
    if source is None:
        error_text()
        return False
    try:
        return all(_same(source, first, block) for first, _, block in _blocks(pixels))
    finally:
        error_text(source)
        source.close()


def _same(source: oiio.ImageInput, first: int, block: Pixels) -> bool:
    kind, bits = (oiio.HALF, np.uint16) if block.dtype == np.float16 else (oiio.FLOAT, np.uint32)
    top = source.spec().y + first
    back = source.read_scanlines(0, 0, top, top + len(block), 0, 0, block.shape[2], kind)
    return back is not None and back.dtype == block.dtype and np.array_equal(back.ravel().view(bits), block.ravel().view(bits))
