"""Optical flow by dense inverse search: between a frame and its neighbours, for stage 2 to meet them on the way; and trimaps carried along
it, which the network's propagation is measured against.

Kroeger, Timofte, Dai, Van Gool, "Fast Optical Flow using Dense Inverse Search" (ECCV 2016), as OpenCV has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Classes = Bytes
Kind = TypeVar("Kind", np.float32, np.uint8)


def dis_flow(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """Return where each pixel of `a` lies in `b`: H×W×2 float32, column and row, in pixels, so that b(p + flow(p)) = a(p); preset medium.

    a, b: H×W or H×W×3 float, display-referred, 0..1; sides of 16 pixels at least.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(search.calc(_grey(a), _grey(b), None), np.float32)


def motion_to_neighbours(before: Bytes, centre: Bytes, after: Bytes, *, finest: int, refinements: int = 0) -> Floats:
    """Return where each pixel of `centre` lies in `before` and in `after`: 4×H×W float32, row, column, row, column, in pixels.

    before, centre, after: H×W uint8; sides of 16 pixels at least. finest: what the search ends at, 1 is half resolution, 2 a quarter.
    refinements: iterations of the variational refinement at every level. OpenCV's threads do not change the result.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(finest)
    search.setPatchStride(4)
    search.setGradientDescentIterations(16)
    search.setVariationalRefinementIterations(refinements)
    found = [search.calc(centre, neighbour, None)[..., ::-1] for neighbour in (before, after)]
    return np.ascontiguousarray(np.concatenate(found, -1).transpose(2, 0, 1), np.float32)


def carried(classes: Classes, pictures: Sequence[NDArray[np.floating]]) -> Classes:
    """Return the first picture's trimap carried to every picture, T×H×W uint8, by flow chained from frame to frame.

    Where each pixel came from is followed back to the first picture between pixels, and the class read there once, so that motion below a
    pixel adds up and no edge wears off; what came from outside takes the nearest border pixel.
    classes: H×W uint8 of 0, 1, 2; pictures: T of H×W or H×W×3 float, display-referred, 0..1, the first one the trimap's own.
    """
    rows, columns = np.indices(classes.shape, np.float32)
    places = np.stack([columns, rows], -1)
    origin, found = places, [classes]
    for before, now in pairwise(pictures):
        origin = _read(origin, places + dis_flow(now, before), cv2.INTER_LINEAR)
        found.append(_read(classes, origin, cv2.INTER_NEAREST))
    return np.stack(found)


def _grey(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    luma = picture if picture.ndim == 2 else picture @ np.array([0.2126, 0.7152, 0.0722], picture.dtype)
    return np.asarray(np.clip(luma, 0, 1) * 255 + 0.5).astype(np.uint8)


def _read(values: NDArray[Kind], places: Floats, how: int) -> NDArray[Kind]:
    return np.asarray(cv2.remap(values, places, None, how, borderMode=cv2.BORDER_REPLICATE))
