"""The trimap: what is certainly background, what is certainly foreground, and what is to be found out.

The one constant: values from 0.05 to 0.95, ends included, are unknown. NaN is unknown too: a broken pixel says nothing, so it is solved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.window import Window
from bridge.wire.errors import UsageError

Values = NDArray[np.float32]
Classes = NDArray[np.uint8]

UNKNOWN = (0.05, 0.95)
BACKGROUND_CLASS, UNKNOWN_CLASS, FOREGROUND_CLASS = 0, 1, 2


@dataclass(frozen=True)
class TrimapFacts:
    """What a trimap holds: the share of each class, 0..1, and the smallest window around its pixels (None where it has none)."""

    background: float
    unknown: float
    foreground: float
    background_box: Window | None
    unknown_box: Window | None
    foreground_box: Window | None


def classify(trimap: NDArray[np.floating]) -> Classes:
    """Return H×W uint8: 0 background, 1 unknown, 2 foreground.

    trimap: H×W float, 0 background to 1 foreground; above 1 is foreground, below 0 background, NaN unknown.
    """
    low, high = (trimap.dtype.type(edge) for edge in UNKNOWN)
    not_background, foreground = ~(trimap < low), trimap > high
    return np.asarray(not_background.view(np.uint8) + foreground.view(np.uint8))


def to_values(classes: Classes) -> Values:
    """Return H×W float32: 0.0 background, 0.5 unknown, 1.0 foreground. classes: H×W uint8 of 0, 1, 2."""
    return np.array([0.0, 0.5, 1.0], np.float32)[classes]


def from_matte(alpha: NDArray[np.floating], *, erode: float, dilate: float) -> Values:
    """Return a trimap, H×W float32 of 0, 0.5 and 1, whose unknown band lies around the edge of a roto matte.

    The band reaches `erode` pixels into the foreground and `dilate` pixels into the background, Euclidean, measured from pixel centre to
    pixel centre; soft parts of the matte stay unknown. The border of the frame is not an edge.
    alpha: H×W float, 0..1. Raises `UsageError` where a width is negative or not finite.
    """
    for word, width in (("erode", erode), ("dilate", dilate)):
        if not (np.isfinite(width) and width >= 0):
            raise UsageError(f"The {word} width is {width} pixels.", remedy="Use a width of 0 or more.")
    classes = classify(alpha)
    result = np.full(alpha.shape, 0.5, np.float32)
    result[_core(classes == FOREGROUND_CLASS, width=erode)] = 1.0
    result[_core(classes == BACKGROUND_CLASS, width=dilate)] = 0.0
    return result


def _core(region: NDArray[np.bool_], *, width: float) -> NDArray[np.bool_]:
    """Return the pixels of `region` farther than `width` pixels from every pixel outside it."""
    if width == 0 or region.all():
        return region
    return np.asarray(cv2.distanceTransform(region.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > width + 1e-4)


def inspect(classes: Classes, *, window: Window | None = None) -> TrimapFacts:
    """Measure a trimap. classes: H×W uint8 of 0, 1, 2; window: where it lies, else its top left pixel is (0, 0)."""
    height, width = classes.shape
    place = window or Window(0, 0, width, height)
    regions = [classes == value for value in (BACKGROUND_CLASS, UNKNOWN_CLASS, FOREGROUND_CLASS)]
    shares = [float(np.count_nonzero(region)) / max(1, region.size) for region in regions]
    boxes = [_box(region, place) for region in regions]
    return TrimapFacts(shares[0], shares[1], shares[2], boxes[0], boxes[1], boxes[2])


def _box(region: NDArray[np.bool_], place: Window) -> Window | None:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not rows.size:
        return None
    return Window(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1).shifted(place.x0, place.y0)
