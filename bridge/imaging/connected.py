"""Pieces of a region that hang together."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Region = NDArray[np.bool_]


def largest_piece(region: Region) -> Region:
    """Return the largest 4-connected piece of a region, the first in reading order among equals; nothing of an empty region.

    region: H×W bool.
    """
    count, labels, facts, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(region).view(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros(region.shape, bool)
    areas = facts[1:, cv2.CC_STAT_AREA]
    equal = np.flatnonzero(areas == areas.max()) + 1
    first = labels[np.isin(labels, equal)][0]
    return np.asarray(labels == first)
