"""Openwork: coverage full of gaps from edge to edge, where no pixel is far from either side of an edge. Alpha side×side, uint8."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .footage import fractal, noise
from .gaps import fine

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
FINER = 2  # parts of a pixel in which edges are drawn


def patterned(rng: np.random.Generator, side: int) -> Bytes:
    """Draw one of the patterns, bent, and let it be seen through now and then."""
    pattern = (dapple, slats, foam)[int(rng.integers(3))]
    alpha = cv2.resize(_bent(rng, pattern(rng, side * FINER)), (side, side), interpolation=cv2.INTER_AREA)
    opacity = rng.uniform(0.4, 1.0) if rng.random() < 0.2 else 1.0
    return np.asarray(np.clip(255 * opacity * alpha, 0, 255) + 0.5).astype(np.uint8)


def dapple(rng: np.random.Generator, side: int) -> Floats:
    """Draw stains of every size and softness, round or drawn out; 0..1 as the others."""
    cells = int(np.exp(rng.uniform(np.log(6), np.log(side / 8))))
    field = fractal(rng, side, cells=cells, octaves=int(rng.integers(1, 5)), gain=float(rng.uniform(0.4, 0.7)))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(0, 180)), 1.0)
    if rng.random() < 0.4:
        turn[:, 0] *= rng.uniform(1.5, 6.0)
    field = np.asarray(cv2.warpAffine(field, turn, (side, side), borderMode=cv2.BORDER_REFLECT), np.float32)
    level, spread = np.quantile(field, rng.uniform(0.25, 0.75)), field.std() + 1e-3
    return np.asarray(0.5 + (field - level) / (spread * np.exp(rng.uniform(np.log(0.03), np.log(1.5)))), np.float32).clip(0, 1)


def slats(rng: np.random.Generator, side: int) -> Floats:
    """Draw bars side by side, evenly or not, as of blinds, fences and grass."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    turn, pitch = rng.uniform(0, np.pi), side * np.exp(rng.uniform(np.log(0.015), np.log(0.15)))
    place = (x * np.cos(turn) + y * np.sin(turn)) / pitch
    place += np.float32(rng.uniform(0, 3)) * noise(rng, side, cells=4)
    share = rng.uniform(0.2, 0.8) + rng.uniform(0, 0.3) * (noise(rng, side, cells=int(rng.integers(3, 12))) - 0.5)
    own = rng.uniform(0, 0.5) * (rng.random(4096)[np.floor(place).astype(int) % 4096] - 0.5)
    away = 0.5 * np.clip(share + own, 0.05, 0.95) - np.abs(place - np.floor(place) - 0.5)
    return np.asarray(0.5 + away * pitch / np.exp(rng.uniform(np.log(1.0), np.log(6.0))), np.float32).clip(0, 1)


def foam(rng: np.random.Generator, side: int) -> Floats:
    """Draw the walls between cells about chance places (Voronoi), or the cells, some left out, as of mosaics and scales."""
    places = rng.uniform(0, side, (int(np.exp(rng.uniform(np.log(20), np.log(900)))), 2))
    plane = cv2.Subdiv2D((-1, -1, side + 2, side + 2))
    plane.insert(places.astype(np.float32).tolist())
    facets, middles = plane.getVoronoiFacetList([])
    walls, left_out, shrunk = rng.random() < 0.5, rng.uniform(0, 0.5), rng.uniform(0.55, 0.93)
    cells = np.zeros((side, side), np.uint8)
    for corners, middle in zip(facets, middles, strict=True):
        if not walls and rng.random() < left_out:
            continue
        inner = middle + shrunk * rng.uniform(0.85, 1.05) * (np.clip(corners, -side, 2 * side) - middle)
        cv2.fillPoly(cells, [fine(inner)], 255, cv2.LINE_AA, 4)
    cover = cells.astype(np.float32) / 255
    return np.asarray(1 - cover if walls else cover, np.float32)


def _bent(rng: np.random.Generator, alpha: Floats) -> Floats:
    """Bend a pattern as cloth hangs."""
    side = alpha.shape[0]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    reach = np.float32(side * rng.uniform(0, 0.1))
    moved = [axis + reach * (noise(rng, side, cells=4) - 0.5) for axis in (x, y)]
    return np.asarray(cv2.remap(alpha, moved[0], moved[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
