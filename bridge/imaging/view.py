"""The network's view of a plate, one fixed transform for a whole shot, and the values in which the plate mixes.

The view: NaN and Inf scrubbed, Rec.709 primaries, negatives to 0, soft highlight roll-off, sRGB curve. The plate never goes through it.

Every curve is a table of 65,536 entries, so a value is rounded once. Light is addressed by the bits of its half float, at most 5e-4
of itself away: the view lies within 2.5e-4 of the exact curve. Encoded numbers are addressed in steps of 1/16384 from -0.5 to 3.5, beyond
which every curve is black or white: the view lies within 5e-4, of a log plate within 1e-3 save in channels that the matrix cancels to 0.
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
LOWEST, STEPS = -0.5, 16384.0


class ViewTransform:
    """The transform of one shot: from a plate in `space` to what a network sees and to what a matting method mixes."""

    def __init__(self, space: ColourSpace) -> None:
        self.space = space
        matrix = space.to_rec709
        self._matrix = None if np.allclose(matrix, np.eye(3), atol=1e-6) else np.ascontiguousarray(matrix, np.float32)
        self._light_of = None if space.is_linear else _encoded_table(space.curve.decode)
        direct = not space.is_linear and self._matrix is None
        self._seen_of = _encoded_table(lambda x: _seen(space.curve.decode(x))) if direct else _light_table(_seen)
        self._address = _encoded_address if direct else _light_address

    def view(self, rgb: NDArray[np.floating]) -> Pixels:
        """Return what the network sees: H×W×3 float32, sRGB values in 0..1, always finite.

        rgb: H×W×3 float16 or float32, the plate's own numbers in its own space, unclipped.
        """
        result = np.empty(rgb.shape, np.float32)
        for band in _bands(rgb):
            numbers = rgb[band] if self._matrix is None else self._linear(rgb[band])
            np.take(self._seen_of, self._address(numbers), out=result[band], mode="clip")
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
        if self.space.is_linear:
            return np.nan_to_num(rgb.astype(np.float32), copy=False, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX)
        return _bounded(self.space.curve.decode, _scrubbed(rgb).astype(np.float64))

    def _linear(self, rgb: NDArray[np.floating]) -> Pixels:
        values = _scrubbed(rgb) if self._light_of is None else np.take(self._light_of, _encoded_address(rgb), mode="clip")
        return values if self._matrix is None else cv2.transform(values, self._matrix)


def _seen(light: Numbers) -> Numbers:
    return encode_srgb(roll_off(np.maximum(light, 0.0)))


def _bounded(curve: Callable[[Numbers], Numbers], numbers: Numbers) -> Pixels:
    with np.errstate(over="ignore"):
        return np.clip(curve(numbers), -HALF_MAX, HALF_MAX).astype(np.float32)


def _light_table(curve: Callable[[Numbers], Numbers]) -> Pixels:
    """Return `curve` at every half float, 65,536 float32, addressed by the bits of the half."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    return _bounded(curve, np.nan_to_num(halves, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX))


def _light_address(light: NDArray[np.floating]) -> NDArray[np.uint16]:
    if light.dtype != np.float16:
        light = np.clip(light, -HALF_MAX, HALF_MAX).astype(np.float16)
    return np.ascontiguousarray(light).view(np.uint16)


def _encoded_table(curve: Callable[[Numbers], Numbers]) -> Pixels:
    """Return `curve` at the 65,536 numbers -0.5, -0.5 + 1/16384 and so on."""
    return _bounded(curve, LOWEST + np.arange(65536) / STEPS)


def _encoded_address(numbers: NDArray[np.floating]) -> NDArray[np.uint16]:
    values = _scrubbed(numbers)
    values -= np.float32(LOWEST - 0.5 / STEPS)
    values *= np.float32(STEPS)
    return np.clip(values, 0, 65535, out=values).astype(np.uint16)


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
