"""The network's view of a plate, one fixed transform for a whole shot, and the values in which the plate mixes.

The view: NaN and Inf scrubbed, Rec.709 primaries, negatives to 0, soft highlight roll-off, sRGB curve. The plate never goes through it.

Every curve is a table over the 65,536 half-float values, so a value is rounded to half once: at most 5e-4 of itself. The view of a linear
plate is then within 2.5e-4 of the exact curve, that of a display-referred plate within 5e-4, that of a camera log plate within 1e-3.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.imaging.curves import encode_srgb, roll_off
from bridge.imaging.spaces import ColourSpace

Pixels = NDArray[np.float32]
Numbers = NDArray[np.float64]

HALF_MAX = 65504.0
BRIGHTEST = 1000.0
ROWS = 16


class ViewTransform:
    """The transform of one shot: from a plate in `space` to what a network sees and to what a matting method mixes."""

    def __init__(self, space: ColourSpace) -> None:
        self.space = space
        matrix = space.to_rec709
        self._matrix = None if np.allclose(matrix, np.eye(3), atol=1e-6) else np.ascontiguousarray(matrix, np.float32)
        self._decode = None if space.is_linear else _table(space.curve.decode)
        self._encode = _table(_seen if self._matrix is not None or self._decode is None else lambda x: _seen(space.curve.decode(x)))

    def view(self, rgb: NDArray[np.floating]) -> Pixels:
        """Return what the network sees: H×W×3 float32, sRGB values in 0..1, always finite.

        rgb: H×W×3 float16 or float32, the plate's own numbers in its own space, unclipped.
        """
        result = np.empty(rgb.shape, np.float32)
        for band in _bands(rgb):
            np.take(self._encode, _half(self._light(rgb[band])), out=result[band], mode="clip")
        return result

    def mixing(self, rgb: NDArray[np.floating]) -> Pixels:
        """Return the plate in the domain in which its foreground and background were mixed, H×W×3 float32, always finite.

        Scene-linear Rec.709 in 0..1000 where the space mixes in light, else the plate's own display values in 0..1.
        rgb: H×W×3 float16 or float32, the plate's own numbers in its own space, unclipped.
        """
        result = np.empty(rgb.shape, np.float32)
        for band in _bands(rgb):
            if self.space.mixes_linear:
                np.clip(self._linear(rgb[band]), 0.0, BRIGHTEST, out=result[band])
            else:
                np.clip(_scrubbed(rgb[band]), 0.0, 1.0, out=result[band])
        return result

    def scene_linear(self, rgb: NDArray[np.floating]) -> Pixels:
        """Return the plate as light in its own primaries, H×W×3 float32, unclipped; NaN is 0 and Inf 65504.

        A linear plate comes back value for value. rgb: H×W×3 float16 or float32, the plate's own numbers.
        """
        values = _scrubbed(rgb)
        if self.space.is_linear:
            return values
        return self.space.curve.decode(values.astype(np.float64)).astype(np.float32)

    def _light(self, rgb: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what the table of the view is indexed by: Rec.709 light where there is a matrix, else the plate's own numbers."""
        return rgb if self._matrix is None else self._linear(rgb)

    def _linear(self, rgb: NDArray[np.floating]) -> Pixels:
        values = _scrubbed(rgb) if self._decode is None else np.take(self._decode, _half(rgb), mode="clip")
        return values if self._matrix is None else cv2.transform(values, self._matrix)


def _seen(light: Numbers) -> Numbers:
    return encode_srgb(roll_off(np.maximum(light, 0.0)))


def _table(curve: Callable[[Numbers], Numbers]) -> Pixels:
    """Return `curve` at every half-float value, 65,536 float32, addressed by the bits of the half."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    with np.errstate(over="ignore"):
        values = curve(np.nan_to_num(halves, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX))
    return np.clip(values, -HALF_MAX, HALF_MAX).astype(np.float32)


def _half(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float16).view(np.uint16)


def _scrubbed(values: NDArray[np.floating]) -> Pixels:
    """Return float32 with NaN as 0 and everything else within ±65504."""
    result = values.astype(np.float32)
    if result.size and not (result.min() >= -HALF_MAX and result.max() <= HALF_MAX):
        np.nan_to_num(result, copy=False, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX)
        np.clip(result, -HALF_MAX, HALF_MAX, out=result)
    return result


def _bands(rgb: NDArray[np.floating]) -> list[slice]:
    """Cut the rows into bands that stay in the processor's cache."""
    return [slice(row, row + ROWS) for row in range(0, rgb.shape[0], ROWS)]
