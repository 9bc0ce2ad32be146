"""Change the size of an image: averages when it shrinks, bilinear when it grows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def resized(image: Floats, *, width: int, height: int) -> Floats:
    """Return H×W or H×W×C float32 at another size; pixel areas, not pixel centres, stay where they are."""
    shrinks = width <= image.shape[1] and height <= image.shape[0]
    if (image.shape[1], image.shape[0]) == (width, height):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.float32)
