"""Foreground families: each draws one layer, alpha and the shading that goes with it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .footage import Footage, noise

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats | None]  # alpha side×side 0..1; shading side×side×3 that multiplies the texture, or colour of its own
SUPERSAMPLED = 3


def strands(rng: np.random.Generator, side: int) -> Layer:
    """Hair or fur: hundreds of thin curved strands around a core, each lit along its length, exact coverage by supersampling."""
    big = side * SUPERSAMPLED
    cover, light = np.zeros((big, big), np.uint8), np.full((big, big), 128, np.uint8)
    centre = big * rng.uniform(0.3, 0.7, 2)
    radius = big * rng.uniform(0.1, 0.26)
    cv2.ellipse(
        cover,
        tuple(centre.astype(int).tolist()),
        (int(radius), int(radius * rng.uniform(0.7, 1.3))),
        float(rng.uniform(0, 180)),
        0,
        360,
        255,
        -1,
    )
    count, length = int(rng.integers(120, 700)), big * rng.uniform(0.05, 0.35)
    angle = rng.uniform(0, 2 * np.pi, count)
    bend, wave = rng.normal(0, rng.uniform(0.1, 1.2), count), rng.uniform(0, 0.5) * rng.random(count)
    reach = length * rng.uniform(0.4, 1.2, count)
    along = np.linspace(0, 1, 14)
    heading = angle[:, None] + bend[:, None] * along + wave[:, None] * np.sin(along * rng.uniform(4, 20) + angle[:, None] * 7)
    step = reach[:, None] / (len(along) - 1)
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], -1) * step[..., None], 1)
    root = centre + radius * np.stack([np.cos(angle), np.sin(angle)], -1) * rng.uniform(0.75, 1.0, (count, 1))
    points = ((points + root[:, None]) * 16).astype(np.int32)
    tones, widths = rng.integers(30, 256, count), rng.choice([1, 1, 2, 3], count)
    for curve, tone, width in zip(points, tones.tolist(), widths.tolist(), strict=True):
        cv2.polylines(cover, [curve], False, 255, width, cv2.LINE_AA, 4)
        cv2.polylines(light, [curve], False, tone, width + 2, cv2.LINE_8, 4)
    alpha = _down(cover, side)
    return alpha, np.repeat(0.3 + 1.0 * _down(light, side)[..., None], 3, 2)


def blobs(rng: np.random.Generator, side: int) -> Layer:
    """Solid shapes with an edge that is hard here and defocused there."""
    field = noise(rng, side, cells=int(rng.integers(2, 6))) + rng.uniform(0, 0.5) * (noise(rng, side, cells=int(rng.integers(6, 24))) - 0.5)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    field = field - 2.2 * (x * x + y * y)
    slope = np.hypot(*np.gradient(field)) + 1e-4
    softness = 0.5 + 10.0 * rng.random() ** 3 * noise(rng, side, cells=3)
    return np.clip((field - np.quantile(field, rng.uniform(0.45, 0.8))) / (slope * softness) + 0.5, 0, 1).astype(np.float32), None


def smoke(rng: np.random.Generator, side: int) -> Layer:
    """Smoke, glass and veils: large soft areas that are nowhere, or hardly, opaque."""
    density = noise(rng, side, cells=3) * noise(rng, side, cells=int(rng.integers(5, 12))) * (0.6 + 0.8 * noise(rng, side, cells=30))
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    falloff = np.clip(1.3 - 3.0 * np.hypot(x, y) * rng.uniform(0.8, 1.4), 0, 1)
    alpha = np.clip(density / (density.max() + 1e-6) * falloff * rng.uniform(0.6, 1.6), 0, 1)
    return alpha.astype(np.float32), 0.5 + 0.5 * np.repeat(noise(rng, side, cells=4)[..., None], 3, 2)


def edges(rng: np.random.Generator, side: int) -> Layer:
    """Hard-edged things: polygons with straight sides, thin bars, holes."""
    big = side * SUPERSAMPLED
    cover = np.zeros((big, big), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        corners = int(rng.integers(3, 9))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = big * rng.uniform(0.05, 0.4, corners)
        points = big * rng.uniform(0.3, 0.7, 2) + np.stack([np.cos(turn) * reach, np.sin(turn) * reach], -1)
        cv2.fillPoly(cover, [(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    for _ in range(int(rng.integers(0, 12))):
        (x0, y0), (x1, y1) = (big * 16 * rng.uniform(0.1, 0.9, (2, 2))).astype(int).tolist()
        cv2.line(cover, (x0, y0), (x1, y1), int(rng.choice([0, 255])), int(rng.integers(1, 10)), cv2.LINE_AA, 4)
    alpha = _down(cover, side)
    return (cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(0.4, 4.0))) if rng.random() < 0.4 else alpha), None


def leaves(rng: np.random.Generator, side: int) -> Layer:
    """Foliage: many pointed leaves with stalks, background between them."""
    big = side * SUPERSAMPLED
    cover, light = np.zeros((big, big), np.uint8), np.full((big, big), 128, np.uint8)
    for _ in range(int(rng.integers(30, 160))):
        length = big * rng.uniform(0.03, 0.14)
        turn, place = rng.uniform(0, 2 * np.pi), big * rng.normal(0.5, 0.17, 2)
        t = np.linspace(0, 2 * np.pi, 18)
        outline = np.stack([np.cos(t) * length, np.sin(t) * length * rng.uniform(0.15, 0.45) * (1 - 0.4 * np.cos(t))], -1)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = ((outline @ spin.T + place) * 16).astype(np.int32)
        cv2.fillPoly(light, [points], int(rng.integers(50, 256)), cv2.LINE_AA, 4)
        cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, 4)
    return _down(cover, side), np.repeat(0.3 + _down(light, side)[..., None], 3, 2)


def lace(rng: np.random.Generator, side: int) -> Layer:
    """Nets and lace: a bent grid of threads with holes, cut to a shape."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    bend = side * 0.05
    y, x = y + bend * noise(rng, side, cells=4), x + bend * noise(rng, side, cells=4)
    pitch, turn = rng.uniform(7, 18), rng.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    thread = rng.uniform(0.8, 2.2)
    net = np.maximum(*(np.clip(thread - np.abs((w % pitch) - pitch / 2) + 0.5, 0, 1) for w in (u, v)))
    shape, _ = blobs(rng, side)
    return (net * shape).astype(np.float32), None


FAMILIES: dict[str, Callable[[np.random.Generator, int], Layer]] = {
    "strands": strands,
    "blobs": blobs,
    "smoke": smoke,
    "edges": edges,
    "leaves": leaves,
    "lace": lace,
}
HELD_OUT = ("leaves", "lace")
CUTOUT = "cutout"
TRAINED = (*(f for f in FAMILIES if f not in HELD_OUT), CUTOUT)
SHARES = {"strands": 0.32, "blobs": 0.2, "smoke": 0.1, "edges": 0.12, CUTOUT: 0.26}


def cutout(rng: np.random.Generator, side: int, footage: Footage) -> Layer:
    """A cut-out of the pack: alpha and colour of its own (side×side×3, 0..1)."""
    source = footage.cutouts[rng.integers(len(footage.cutouts))]
    scale = side * rng.uniform(0.55, 1.1) / max(source.shape[:2])
    h, w = (max(8, round(n * scale)) for n in source.shape[:2])
    small = cv2.resize(source, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.float32) / 255.0
    if rng.random() < 0.5:
        small = small[:, ::-1]
    top, left = (side - h) // 2, (side - w) // 2
    canvas = cv2.copyMakeBorder(small, max(0, top), max(0, side - h - top), max(0, left), max(0, side - w - left), cv2.BORDER_REPLICATE)[
        max(0, -top) :, max(0, -left) :
    ][:side, :side].copy()
    canvas[: max(0, top), :, 3] = 0
    canvas[max(0, top) + h :, :, 3] = 0
    canvas[:, : max(0, left), 3] = 0
    canvas[:, max(0, left) + w :, 3] = 0
    return np.ascontiguousarray(canvas[..., 3]), np.ascontiguousarray(canvas[..., :3])


def _down(cover: NDArray[np.uint8], side: int) -> Floats:
    return cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
