"""The one place that opens images with OpenImageIO; the rules that keep its silent failures from becoming pixels.

- Limits on size and channels are set once, before the first file is opened.
- The text of an error may hold bytes that are not UTF-8 and is never trusted to be readable.
- A file that opens may still be truncated: only decoded pixels count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import OpenImageIO as oiio

from bridge.wire.errors import ImageError

MOST_MEGABYTES = 4096
MOST_CHANNELS = 1024
LARGEST_SIDE = 1 << 20
RENDER_AGAIN = "Copy or render the file again."

_INTERNALS = re.compile(r"EXR Error \(.*?\): |EXR_ERR_[A-Z_]+ |\s*\(\"[^\"]*\"\)|\s*\"[^\"]*/[^\"]*\"")


@cache
def set_limits() -> None:
    """Refuse absurd sizes at open; OpenImageIO's own default is the size of the memory."""
    oiio.attribute("limits:imagesize_MB", MOST_MEGABYTES)
    oiio.attribute("limits:channels", MOST_CHANNELS)


def set_threads(count: int) -> None:
    """Let decoding and encoding use `count` threads in all, the calling one included.

    With 1 each call works in its caller's thread, so that reading, computing and writing side by side share the machine.
    """
    oiio.attribute("threads", max(1, count))
    oiio.attribute("exr_threads", -1 if count <= 1 else count)


def error_text(source: oiio.ImageInput | oiio.ImageOutput | None = None) -> str:
    """Return what OpenImageIO says went wrong, on one line and without the path."""
    try:
        text = (source.geterror() if source is not None else "") or oiio.geterror()
    except UnicodeDecodeError:
        return "its header cannot be read"
    lines = [stripped for line in text.splitlines() if (stripped := _INTERNALS.sub("", line).strip())]
    return lines[0][:200] if lines else ""


@contextmanager
def opened(path: Path) -> Iterator[oiio.ImageInput]:
    """Open an image for reading, alpha as the file stores it.

    Raises:
        ImageError: the file is absent, empty, a folder, not readable, or no image.
    """
    set_limits()
    _refuse_what_is_no_file(path)
    config = oiio.ImageSpec()
    config["oiio:UnassociatedAlpha"] = 1
    source = oiio.ImageInput.open(str(path), config)
    if source is None:
        raise _unreadable(path, error_text())
    try:
        yield source
    finally:
        source.close()


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        if os.path.isdir(path):
            raise ImageError(f"{path} is a folder, not an image", remedy="Give a file or a pattern like plate.####.exr.", file=str(path))
        with open(path, "rb") as file:
            if not file.read(1):
                raise ImageError(f"{path} is empty (0 bytes)", remedy=RENDER_AGAIN, file=str(path))
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist", remedy="Check the name and the frame number.", file=str(path)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be read: {reason}", remedy="Check the permissions of the file.", file=str(path)) from error


def _unreadable(path: Path, said: str) -> ImageError:
    if "ubsampled" in said:
        reason, remedy = "its colour is chroma-subsampled (luminance and half-size chroma)", "Render or convert it to full R, G and B."
    elif "limits:" in said or "exceeds" in said:
        reason, remedy = f"it claims an absurd size ({said})", RENDER_AGAIN
    elif "format reader" in said or not said:
        reason, remedy = "it is not an image that can be read", "Give an EXR, PNG, TIFF, JPEG or DPX file."
    else:
        reason, remedy = f"it is damaged ({said})", RENDER_AGAIN
    return ImageError(f"{path} cannot be opened: {reason}", remedy=remedy, file=str(path))


def parts(source: oiio.ImageInput, path: Path) -> list[oiio.ImageSpec]:
    """Return the header of every part.

    Raises:
        ImageError: a part claims an impossible size.
    """
    found: list[oiio.ImageSpec] = []
    while source.seek_subimage(len(found), 0):
        spec = source.spec()
        sides = (spec.width, spec.height)
        if min(sides) < 1 or max(sides) > LARGEST_SIDE or spec.nchannels < 1 or spec.image_bytes(True) > MOST_MEGABYTES << 20:
            raise ImageError(
                f"{path} claims {spec.width}×{spec.height} pixels in {spec.nchannels} channels", remedy=RENDER_AGAIN, file=str(path)
            )
        found.append(spec)
    error_text(source)
    if not found:
        raise ImageError(f"{path} holds no image", remedy=RENDER_AGAIN, file=str(path))
    return found
