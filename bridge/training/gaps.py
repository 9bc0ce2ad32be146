"""Foregrounds that the background is seen through: wicker and branches with gaps between them, and solid things with small sharp holes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
FINE = 16  # parts of a pixel in which corners are given to the painter
TUBE = ((1.0, 0.55), (0.7, 0.85), (0.4, 1.1), (0.12, 1.4))  # share of the width, share of the tone: dark rims, a light ridge


def twigs(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw bent tubes that cross each other, as in a basket or a bush: alpha side×side and colour side×side×3, uint8."""
    big = side * 3
    cover, colour = np.zeros((big, big), np.uint8), np.full((big, big, 3), 50, np.uint8)
    tone = rng.uniform(25, 190) * np.clip(1 + rng.normal(0, 0.3, 3), 0.3, 1.6)
    round_, slim = rng.random() < 0.6, big * np.exp(rng.uniform(np.log(0.006), np.log(0.04)))
    lamp = rng.normal(0, 0.15, 2) * slim
    for _ in range(int(rng.integers(10, 26) + 0.5 * rng.random() * big / slim)):
        path = _ring(rng, big) if round_ else _branch(rng, big)
        width, own = slim * rng.uniform(0.6, 1.3), tone * rng.uniform(0.6, 1.3) + rng.normal(0, 8, 3)
        cv2.polylines(cover, [fine(path)], False, 255, max(1, round(width)), cv2.LINE_8, 4)
        for share, light in TUBE:
            shade, moved = np.clip(own * light, 0, 255).tolist(), path + (1 - share) * lamp
            cv2.polylines(colour, [fine(moved)], False, shade, max(1, round(share * width)), cv2.LINE_8, 4)
    return tuple(cv2.resize(m, (side, side), interpolation=cv2.INTER_AREA) for m in (cover, colour))


def pierced(rng: np.random.Generator, cover: Bytes) -> Bytes:
    """Cut small holes with sharp edges, slits and corners into an alpha, side×side uint8."""
    side = cover.shape[0]
    holes = np.zeros((side * 4, side * 4), np.uint8)
    rows, columns = np.nonzero(cover > 127)
    if len(rows) == 0:
        return cover
    size = holes.shape[0] * np.exp(rng.uniform(np.log(0.006), np.log(0.05)))
    for _ in range(int(rng.integers(6, 90))):
        place = rng.integers(len(rows))
        middle = 4.0 * np.array([columns[place], rows[place]])
        corners = int(rng.integers(3, 7))
        turn, lean = np.sort(rng.uniform(0, 2 * np.pi, corners)), rng.uniform(0, 2 * np.pi)
        reach = size * rng.uniform(0.5, 1.6) * np.array([1.0, rng.uniform(0.15, 1.0)])
        spin = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        points = middle + (np.stack([np.cos(turn), np.sin(turn)], -1) * reach) @ spin.T
        cv2.fillPoly(holes, [fine(points)], 255, cv2.LINE_8, 4)
    gone = cv2.resize(holes, (side, side), interpolation=cv2.INTER_AREA)
    return np.minimum(cover, 255 - gone)


def _ring(rng: np.random.Generator, big: int) -> NDArray[np.float64]:
    """Return part of a circle that lies on a ball, as seen from the front."""
    t = np.linspace(0, rng.uniform(1.5, 2 * np.pi), 40) + rng.uniform(0, 2 * np.pi)
    turn, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 1.0)
    flat = np.stack([np.cos(t), tilt * np.sin(t)], -1) * big * rng.uniform(0.2, 0.36)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(flat @ spin.T + big * (0.5 + rng.normal(0, 0.03, 2)))


def _branch(rng: np.random.Generator, big: int) -> NDArray[np.float64]:
    """Return a bend from one place of the middle to another."""
    t = np.linspace(0, 1, 30)[:, None]
    ends = big * np.clip(rng.normal(0.5, 0.2, (3, 2)), 0.08, 0.92)
    return np.asarray((1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2])


def fine(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return points as the painter takes them: in whole parts of a pixel, FINE to one, 4 bits of shift."""
    return np.round(points * FINE).astype(np.int32)
