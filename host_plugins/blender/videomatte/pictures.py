# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels as arrays, and trimaps made of them. The first row is the bottom one, as everywhere in Blender."""

from __future__ import annotations

import bpy
import numpy as np

Floats = np.ndarray
FOREGROUND_ABOVE = 0.5


def pixels_of(image: bpy.types.Image) -> Floats:
    """Return the pixels of an image, H×W×C float32, bottom row first; 8-bit images as they are stored, float ones scene-linear."""
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(height, width, image.channels)


def read(path: str) -> Floats:
    """Return the stored values of an image file, H×W×C float32, bottom row first. Raises RuntimeError when it cannot be read."""
    image = bpy.data.images.load(path, check_existing=False)
    try:
        image.colorspace_settings.name = "Non-Color"
        image.alpha_mode = "CHANNEL_PACKED"
        return pixels_of(image)
    finally:
        bpy.data.images.remove(image)


def from_mask(hard: Floats, soft: Floats, *, band: float) -> Floats:
    """Return a trimap, H×W float32 of 0, 0.5 and 1: inside is foreground, the feather and `band` pixels around the edge are unknown."""
    inside = hard > FOREGROUND_ABOVE
    trimap = np.where(inside, 1.0, np.where(soft > 0, 0.5, 0.0)).astype(np.float32)
    if band > 0:
        trimap[grown(inside, band / 2) & grown(~inside, band / 2)] = 0.5
    return trimap


def from_matte(alpha: Floats, *, erode: float, dilate: float) -> Floats:
    """Return a trimap, H×W float32 of 0, 0.5 and 1: certain but for what lies near soft pixels and the edge, in pixels."""
    certain = alpha > 0.95
    empty = alpha < 0.05
    unknown = grown(~certain, erode) & grown(~empty, dilate)
    return np.where(unknown, 0.5, np.where(certain, 1.0, 0.0)).astype(np.float32)


def grown(shape: np.ndarray, radius: float) -> np.ndarray:
    """Return a shape, H×W bool, and all within `radius` pixels of it."""
    reach = int(radius)
    result, height = shape.copy(), shape.shape[0]
    for step in range(-min(reach, height - 1), min(reach, height - 1) + 1):
        wide = _widened(shape, int((radius * radius - step * step) ** 0.5))
        into, of = slice(max(step, 0), height + min(step, 0)), slice(max(-step, 0), height - max(step, 0))
        result[into] |= wide[of]
    return result


def _widened(shape: np.ndarray, reach: int) -> np.ndarray:
    """Return where a row of H×W bool is true within `reach` pixels to either side."""
    if not reach:
        return shape
    sums = np.cumsum(np.pad(shape, ((0, 0), (reach + 1, reach))), axis=1, dtype=np.int32)
    return sums[:, 2 * reach + 1 :] > sums[:, : -2 * reach - 1]
