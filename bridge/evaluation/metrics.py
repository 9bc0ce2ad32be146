"""Errors of a matte against the truth, each in a named variant.

a prediction, g truth, both 0..1; M the unknown region of the true trimap; e = a - g. SAD, MSE and dtSSD follow Rhemann et al. 2009 and
Erofeev et al. 2015 as the video matting literature prints them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


def sad(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the sum of absolute errors over the mask, in thousands. a, g, mask: H×W or T×H×W."""
    return float(np.abs(a - g)[mask].sum(dtype=np.float64)) / 1000.0


def mse(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the mean squared error over the mask; 0 for an empty one."""
    return float(np.square(a - g)[mask].mean(dtype=np.float64)) if mask.any() else 0.0


def dtssd(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the mean over pairs of frames of the root of summed squared errors of the change of alpha. a, g, mask: T×H×W.

    The mask of a pair is its first frame's.
    """
    change = (a[1:] - a[:-1]) - (g[1:] - g[:-1])
    return float(np.mean([np.sqrt(np.square(c[m]).sum(dtype=np.float64)) for c, m in zip(change, mask[:-1], strict=True)]))


def flicker(a: Floats, mask: Mask) -> float:
    """Return the mean absolute change of alpha from frame to frame over the mask of a scene that stands still. a, mask: T×H×W."""
    change = np.abs(a[1:] - a[:-1])
    return float(change[mask[1:]].mean(dtype=np.float64)) if mask[1:].any() else 0.0


def class_agreement(predicted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the share of pixels whose trimap class is the true one."""
    return float((predicted == truth).mean())


def wrongly_certain(predicted: NDArray[np.uint8], alpha: Floats, *, tolerance: float = 0.05) -> float:
    """Return the share of pixels called background or foreground although their alpha is not 0 or 1 within the tolerance."""
    background = (predicted == 0) & (alpha > tolerance)
    foreground = (predicted == 2) & (alpha < 1 - tolerance)
    return float((background | foreground).mean())
