"""Pixels of messages as arrays, and arrays as pixels of messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.imaging.canvas import place
from bridge.window import Window
from bridge.wire.errors import LimitError, WindowError
from bridge.wire.pixels import InlinePixels, SharedPixels, byte_count
from bridge.wire.shared import SharedFile, SharedFiles

Floats = NDArray[np.float32]


def taken(pixels: InlinePixels | SharedPixels, parts: tuple[memoryview, ...], *, shared: SharedFiles | None, most: int) -> NDArray[Any]:
    """Return the pixels of a message, H×W or H×W×C float16 or float32, the first row on top; integers as 0..1. A copy of its own.

    shared: the files of shared memory; most: pixels of a picture that are taken.
    Raises LimitError for a picture that is too large, InputError for shared memory that is not there.
    """
    if pixels.shape[0] * pixels.shape[1] > most:
        raise LimitError(f"A picture of {pixels.shape[1]}×{pixels.shape[0]} pixels; {most} are allowed.", remedy="Reduce it.")
    if isinstance(pixels, InlinePixels):
        return _as_floats(np.frombuffer(parts[pixels.part], pixels.dtype).reshape(pixels.shape), pixels.rows)
    return _as_floats(_array(_opened(pixels, shared), pixels), pixels.rows)


def put(values: Floats, into: SharedPixels, *, data: Window, display: Window, shared: SharedFiles | None) -> None:
    """Write H×W values of a data window into shared memory in place, as many pixels as it has room for: display or data window.

    Raises WindowError when it has the size of neither, InputError for shared memory that is not there.
    """
    height, width = into.shape[:2]
    window = next((w for w in (display, data) if w.size == (width, height)), None)
    if window is None or (len(into.shape) == 3 and into.shape[2] != 1):
        raise WindowError(
            f"The result has the data window {data} and the display window {display}; there is room for {into.shape}.",
            remedy="Make room for one channel of either window.",
        )
    target = _array(_opened(into, shared), into).reshape(height, width)
    target = target[::-1] if into.rows == "up" else target
    found = place(values, of=data, into=window)
    if np.issubdtype(target.dtype, np.integer):
        target[...] = np.rint(found.clip(0, 1) * np.iinfo(target.dtype).max)
    else:
        np.copyto(target, found, casting="unsafe")


def _opened(pixels: SharedPixels, shared: SharedFiles | None) -> SharedFile:
    if shared is None:
        raise not_shared()
    return shared.get(pixels.name, size=pixels.offset + byte_count(pixels.dtype, pixels.shape))


def not_shared() -> LimitError:
    """Return the error for a client of another machine that names shared memory of this one."""
    return LimitError("This client has no shared memory with the daemon.", remedy="Send pixels inline, or by path.")


def _array(file: SharedFile, pixels: SharedPixels) -> NDArray[Any]:
    size = byte_count(pixels.dtype, pixels.shape)
    return np.frombuffer(file.view[pixels.offset : pixels.offset + size], pixels.dtype).reshape(pixels.shape)


def _as_floats(array: NDArray[Any], rows: str) -> NDArray[Any]:
    turned: NDArray[Any] = array[::-1] if rows == "up" else array
    if np.issubdtype(array.dtype, np.integer):
        scaled: NDArray[np.float32] = turned.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
        return scaled
    return np.array(turned, order="C")
