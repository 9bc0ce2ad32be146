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
    pattern = PATTERNS[int(rng.integers(len(PATTERNS)))]
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


def labyrinth(rng: np.random.Generator, side: int) -> Floats:
    """Draw winding bands or spots of one width, as of coral and worn paint: noise of one scale, split in two."""
    width = side * np.exp(rng.uniform(np.log(0.006), np.log(0.04)))
    small = max(16, int(side * min(1.0, 4.0 / width)))
    white, scale = rng.standard_normal((small, small)).astype(np.float32), width * small / side
    field = cv2.GaussianBlur(white, (0, 0), scale) - cv2.GaussianBlur(white, (0, 0), 1.6 * scale)
    field = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)
    away = (field - np.quantile(field, rng.uniform(0.3, 0.7))) / (field.std() + 1e-6)
    return np.asarray(0.5 + away * width / np.exp(rng.uniform(np.log(1.0), np.log(6.0))), np.float32).clip(0, 1)


def scribbles(rng: np.random.Generator, side: int) -> Floats:
    """Draw long winding strokes across each other, as of wire, ironwork and handwriting."""
    cover = np.zeros((side, side), np.uint8)
    thick = side * np.exp(rng.uniform(np.log(0.004), np.log(0.02)))
    steps, pace, swing = 160, side * rng.uniform(0.004, 0.012), rng.uniform(0.03, 0.25)
    for _ in range(int(np.exp(rng.uniform(np.log(25), np.log(110))))):
        turns = rng.uniform(-0.06, 0.06) + swing * np.convolve(rng.standard_normal(steps + 8), np.full(9, 1 / 9), "valid")
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        stroke = rng.uniform(0, side, 2) + pace * np.cumsum(np.stack([np.cos(heading), np.sin(heading)], -1), 0)
        cv2.polylines(cover, [fine(stroke)], False, 255, max(1, round(thick * rng.uniform(0.5, 1.5))), cv2.LINE_AA, 4)
    return np.asarray(cover.astype(np.float32) / 255, np.float32)


def stamps(rng: np.random.Generator, side: int) -> Floats:
    """Draw one shape again and again, never quite in rows, or cut it out: prints, sequins, perforated sheets."""
    pitch = side * np.exp(rng.uniform(np.log(0.03), np.log(0.12)))
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = [rng.uniform(0, 0.5) / k * np.cos(k * around + rng.uniform(0, 2 * np.pi)) for k in range(2, 6)]
    shape = np.stack([np.cos(around), np.sin(around)], -1) * np.clip(1 + sum(waves), 0.2, 2.0)[:, None]
    size, stray, turned = pitch * rng.uniform(0.22, 0.48), rng.uniform(0.1, 0.4), rng.uniform(0, np.pi)
    cover = np.zeros((side, side), np.uint8)
    for middle in pitch * np.mgrid[-1 : side / pitch + 1, -1 : side / pitch + 1].reshape(2, -1).T:
        turn = turned * rng.standard_normal()
        own = size * rng.uniform(0.75, 1.1) * shape @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        cv2.fillPoly(cover, [fine(own + middle + stray * pitch * rng.uniform(-1, 1, 2))], 255, cv2.LINE_AA, 4)
    drawn = cover.astype(np.float32) / 255
    return np.asarray(1 - drawn if rng.random() < 0.5 else drawn, np.float32)


PATTERNS = (dapple, slats, foam, labyrinth, scribbles, stamps)


def _bent(rng: np.random.Generator, alpha: Floats) -> Floats:
    """Bend a pattern as cloth hangs."""
    side = alpha.shape[0]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    reach = np.float32(side * rng.uniform(0, 0.1))
    moved = [axis + reach * (noise(rng, side, cells=4) - 0.5) for axis in (x, y)]
    return np.asarray(cv2.remap(alpha, moved[0], moved[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
