"""Where pixels lie: arrays moved from one window into another, and the window of a file that comes without a useful one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.window import Window
from bridge.wire.errors import WindowError

Array = NDArray[Any]


def place(array: Array, *, of: Window, into: Window, fill: float = 0.0) -> Array:
    """Return the pixels of the window `into`, taken from an array that covers the window `of`; `fill` where `of` has none.

    array: H×W or H×W×C of any dtype, H and W those of `of`. The array itself comes back, uncopied, where the windows are equal.
    Raises `WindowError` where the array is not the size of its window.
    """
    _check(array, of)
    if of == into:
        return array
    result = np.full((into.height, into.width, *array.shape[2:]), fill, array.dtype)
    common = of.intersection(into)
    if not common.empty:
        result[into.slices(common)] = array[of.slices(common)]
    return result


def fit(
    array: Array, *, own_data: Window, own_display: Window, plate_data: Window, plate_display: Window, name: str, windowed: bool = True
) -> Window:
    """Return the window, in the plate's display coordinates, on which a trimap, garbage or holdout matte lies.

    A file with the plate's display window lies on its own data window. Any other is placed by its size: on the plate's data window, else on
    its display window. `windowed` is False for formats that have no windows (PNG, JPEG): those go by size alone.
    array: H×W or H×W×C. name: the file, for the message.
    Raises `WindowError` naming the file, its size, both windows of the plate, and the way out.
    """
    _check(array, own_data)
    if windowed and own_display == plate_display:
        return own_data
    for window in (plate_data, plate_display):
        if own_data.size == window.size:
            return window
    if own_display == plate_display:
        return own_data
    width, height = own_data.size
    raise WindowError(
        f"{name} is {width}×{height}, but the plate's data window is {plate_data} and its display window is {plate_display}.",
        remedy="Write it again at the size of the plate's data window or display window, or as an EXR with the plate's display window.",
        file=name,
    )


def _check(array: Array, window: Window) -> None:
    height, width = array.shape[:2]
    if (width, height) != window.size:
        raise WindowError(f"An image of {width}×{height} pixels cannot fill a window of {window}.")
