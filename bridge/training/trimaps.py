"""Trimaps as artists paint them: wider here, narrower there, drifting over time; and as stage 1 errs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .footage import noise

Floats = NDArray[np.float32]
Classes = NDArray[np.uint8]
SOFT = (0.02, 0.98)  # alpha outside this is as good as background or foreground to a painter


def clean_classes(alpha: Floats, *, radius: Floats | float) -> Classes:
    """Return H×W uint8 classes: unknown within `radius` pixels (a number or H×W) of any soft pixel or edge, else what alpha says."""
    inside = (alpha > 0.5).astype(np.uint8)
    soft = (alpha > SOFT[0]) & (alpha < SOFT[1])
    soft |= cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    distance = cv2.distanceTransform((~soft).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.where(distance <= radius, 1, 2 * inside).astype(np.uint8)


def painted(rng: np.random.Generator, alphas: Floats, times: Floats) -> Classes:
    """Return T×H×W classes of a clip, the band's width uneven in place and drifting in time. alphas: T×H×W; times: T frame numbers."""
    side = alphas.shape[-1]
    base = np.exp(rng.uniform(np.log(1.5), np.log(0.075 * side)))
    uneven, drift = rng.uniform(0, 0.6), rng.uniform(0, 0.35)
    bumps = [noise(rng, max(alphas.shape[1:]), cells=5)[: alphas.shape[1], : alphas.shape[2]] - 0.5 for _ in range(2)]
    phase, speed = rng.uniform(0, 6.3), rng.uniform(0.05, 0.4)
    clip = []
    for alpha, t in zip(alphas, times, strict=True):
        swing = np.sin(phase + speed * t)
        radius = base * (1 + drift * swing) * (1 + uneven * 2 * (bumps[0] + swing * bumps[1]))
        clip.append(clean_classes(alpha, radius=np.maximum(radius, 1.0)))
    return np.stack(clip)


def perturbed(rng: np.random.Generator, classes: Classes) -> Classes:
    """Return H×W classes as stage 1 might give them: its edges wobble by a few pixels, now and then a spot is certain and wrong."""
    h, w = classes.shape
    reach = rng.uniform(0.5, 2.5)
    shift = [(noise(rng, max(h, w), cells=8)[:h, :w] - 0.5) * 2 * reach for _ in range(2)]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    wobbled = cv2.remap(classes, x + shift[0], y + shift[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.3:
        spot = (int(rng.integers(w)), int(rng.integers(h)))
        cv2.circle(wobbled, spot, int(rng.integers(1, 4)), int(rng.choice([0, 1, 2])), -1)
    return np.asarray(wobbled, np.uint8)
