"""Trimaps as artists paint them: wider here, narrower there, drifting over time; and as stage 1 errs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .footage import noise

Floats = NDArray[np.float32]
Classes = NDArray[np.uint8]
WIDEST, NARROW = 0.075, 0.035  # of the frame's short side, how far a painted band reaches from what is soft
SOFT = (0.02, 0.98)  # alpha outside this is as good as background or foreground to a painter


def clean_classes(
    alpha: Floats, *, radius: Floats | float, inner: Floats | float | None = None, soft: tuple[float, float] = SOFT
) -> Classes:
    """Return H×W uint8 classes: 0 farther than `radius` pixels from any alpha above soft[0], 2 farther than `inner` from any below soft[1].

    alpha: H×W, 0..1. radius, inner: a number or H×W each, Euclidean; inner is radius where not given.
    """
    inner = radius if inner is None else inner
    outside = cv2.distanceTransform((alpha <= soft[0]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    inside = cv2.distanceTransform((alpha >= soft[1]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.where(outside > radius, 0, np.where(inside > inner, 2, 1)).astype(np.uint8)


def painted(
    rng: np.random.Generator, alphas: Floats, times: NDArray[np.float64], *, clean: bool = False, widest: float = WIDEST
) -> Classes:
    """Return T×H×W classes of a clip, the band's width uneven in place and drifting in time.

    alphas: T×H×W; times: T frame numbers. clean: certain only outside SOFT; else each painter has limits of his own near it.
    widest: of the frame's short side, the most that the band is wide.
    """
    height, width = alphas.shape[1:]
    side, short = max(height, width), min(height, width)
    base = np.exp(rng.uniform(np.log(1.0), np.log(max(1.5, widest * short)), 2))
    if rng.random() < 0.6:
        base[1] = base[0]
    uneven, drift = rng.uniform(0, 0.7) * (rng.random() < 0.6), rng.uniform(0, 0.35)
    bumps = [noise(rng, side, cells=int(rng.integers(3, 9)))[:height, :width] - 0.5 for _ in range(2)]
    phase, speed = rng.uniform(0, 6.3), rng.uniform(0.05, 0.4)
    soft = SOFT if clean else (float(rng.uniform(0.012, 0.045)), float(rng.uniform(0.955, 0.988)))
    broad = int(rng.integers(3, 8)) * 2 + 1 if rng.random() < 0.5 else 0
    everything = rng.random() < 0.015
    clip = []
    for alpha, t in zip(alphas, times, strict=True):
        swing = np.sin(phase + speed * t)
        factor = (1 + drift * swing) * (1 + uneven * 2 * (bumps[0] + swing * bumps[1]))
        radius, inner = (np.maximum(b * factor, 0.9) for b in base)
        classes = clean_classes(alpha, radius=radius, inner=inner, soft=soft)
        clip.append(_broad(classes, broad) if broad else classes)
    return np.ones_like(np.stack(clip)) if everything else np.stack(clip)


def _broad(classes: Classes, window: int) -> Classes:
    """Leave small islands of certainty unknown, as a broad brush does: a pixel stays certain where half its neighbourhood is."""
    result = classes.copy()
    for value in (0, 2):
        certain = (classes == value).astype(np.float32)
        result[(classes == value) & (cv2.blur(certain, (window, window), borderType=cv2.BORDER_REPLICATE) < 0.5)] = 1
    return result


def perturbed(rng: np.random.Generator, classes: Classes, *, amount: float = 1.0) -> Classes:
    """Return H×W classes whose edges wobble by a few pixels and whose band swells or thins; now and then a spot is certain and wrong."""
    height, width = classes.shape
    side = max(height, width)
    reach = amount * rng.uniform(0.3, 2.5)
    shift = [(noise(rng, side, cells=int(rng.integers(4, 12)))[:height, :width] - 0.5) * 2 * reach for _ in range(2)]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wobbled = np.asarray(cv2.remap(classes, x + shift[0], y + shift[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    if rng.random() < 0.5:
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
        unknown = (wobbled == 1).astype(np.uint8)
        where = noise(rng, side, cells=5)[:height, :width] > 0.6
        if rng.random() < 0.5:
            wobbled[(cv2.dilate(unknown, brush) > 0) & where] = 1
        else:
            kept = cv2.erode(unknown, brush) > 0
            wobbled = np.where((unknown > 0) & ~kept & where, cv2.medianBlur(wobbled, 5), wobbled).astype(np.uint8)
    if rng.random() < 0.3 * amount:
        spot = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(wobbled, spot, int(rng.integers(1, 4)), int(rng.choice([0, 1, 2])), -1)
    return wobbled
