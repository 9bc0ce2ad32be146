"""Hair and fur: thousands of curved strands, each lit along its length, with the exact coverage of opaque strands by supersampling."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .footage import fractal, noise
from .gaps import fine

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
SUPERSAMPLED = 4
PIECES = 4  # a strand changes its light this many times
POINTS = 12


@dataclass(frozen=True)
class Groom:
    """How strands lie; lengths in units of the layer's side."""

    count: int
    length: float
    bend: float
    curl: float
    clumped: float
    droop: float
    widths: tuple[int, ...]


def drawn_groom(rng: np.random.Generator) -> Groom:
    """Draw a groom between short fur, curls and long thin hair."""
    length = float(rng.choice([0.04, 0.08, 0.16, 0.3, 0.42]) * rng.uniform(0.7, 1.3))
    return Groom(
        count=int(np.clip(rng.uniform(150, 420) / length, 700, 6000)),
        length=length,
        bend=float(rng.uniform(0.0, 0.9)),
        curl=float(rng.uniform(0, 1.0) * (rng.random() < 0.4)),
        clumped=float(rng.uniform(0, 0.85)),
        droop=float(rng.uniform(-0.2, 1.6) * (rng.random() < 0.6)),
        widths=((1, 1, 2), (1, 2, 2), (2, 2, 3), (1, 1, 1, 2, 4))[int(rng.integers(4))],
    )


def strands(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw a body and its strands. Returns alpha side×side uint8 and display-referred colour side×side×3 uint8."""
    big = side * SUPERSAMPLED
    body = _body(rng, side)
    cover = cv2.resize(body, (big, big), interpolation=cv2.INTER_LINEAR)
    cover = np.where(cover > 127, 255, 0).astype(np.uint8)
    tint = np.clip(rng.uniform(0.05, 0.85) + rng.normal(0, 0.12, 3), 0.02, 0.95) * 255
    skin = (tint * rng.uniform(0.3, 1.0)) * (0.5 + 0.8 * fractal(rng, side, cells=5, octaves=3)[..., None])
    colour = cv2.resize(np.clip(skin, 0, 255).astype(np.uint8), (big, big), interpolation=cv2.INTER_LINEAR)
    groom = drawn_groom(rng)
    roots, outward = _roots(rng, body, groom.count)
    curves = _curves(rng, groom, roots * SUPERSAMPLED, outward, big)
    _draw(rng, curves, groom, tint, cover, colour)
    alpha = cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA)
    return alpha, _straight(colour, cover, alpha, side)


def _body(rng: np.random.Generator, side: int) -> Bytes:
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    centre, turn = rng.uniform(-0.07, 0.07, 2), rng.uniform(0, np.pi)
    u, v = x - centre[0], y - centre[1]
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    radius = rng.uniform(0.1, 0.26)
    field = 1 - np.hypot(u / radius, v / (radius * rng.uniform(0.6, 1.3))) + 0.7 * (fractal(rng, side, cells=4, octaves=3) - 0.5)
    if rng.random() < 0.35:
        field = np.maximum(field, np.where(np.abs(x - centre[0]) < radius * rng.uniform(0.5, 1.5), 4 * (y - centre[1] - radius * 0.6), -1))
    return np.where(field > 0, 255, 0).astype(np.uint8)


def _roots(rng: np.random.Generator, body: Bytes, count: int) -> tuple[Floats, Floats]:
    """Return count×2 positions (x, y) in the body, most near its rim, and the direction out of it at each."""
    depth = cv2.distanceTransform((body > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    smooth = cv2.GaussianBlur(depth - cv2.distanceTransform((body == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5), (0, 0), 4.0)
    y, x = np.nonzero((depth > 0) & (depth < max(3.0, 0.5 * float(depth.max()))))
    if len(y) == 0:
        y, x = np.array([body.shape[0] // 2]), np.array([body.shape[1] // 2])
    weight = np.exp(-depth[y, x] / rng.uniform(4.0, 30.0)) + 1e-6
    chosen = rng.choice(len(y), count, p=weight / weight.sum())
    dy, dx = np.gradient(smooth)
    outward = -np.stack([dx, dy], -1)[y[chosen], x[chosen]]
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True) + 1e-6
    order = np.argsort(-depth[y, x][chosen])
    roots = np.stack([x, y], -1)[chosen] + rng.random((count, 2))
    return roots[order].astype(np.float32), outward[order].astype(np.float32)


def _curves(rng: np.random.Generator, groom: Groom, roots: Floats, outward: Floats, big: int) -> Floats:
    """Return count×POINTS×2 positions: strands near each other bend alike, as far as they are clumped."""
    along = np.linspace(0, 1, POINTS, dtype=np.float32)
    field = noise(rng, 64, cells=int(rng.integers(3, 14)))
    cell = np.clip(roots / big * 64, 0, 63).astype(int)
    common = (field[cell[:, 1], cell[:, 0]] - 0.5) * 4
    own = rng.normal(0, 1, len(roots))
    swerve = groom.bend * (groom.clumped * common + (1 - groom.clumped) * own)
    start = np.arctan2(outward[:, 1], outward[:, 0]) + 0.35 * own * (1 - 0.7 * groom.clumped) + rng.uniform(-0.8, 0.8)
    turns = rng.uniform(4, 22) * rng.uniform(0.8, 1.2, len(roots))
    heading = start[:, None] + swerve[:, None] * along + 1.6 * groom.curl * np.sin(along * turns[:, None] + 7 * common[:, None])
    reach = big * groom.length * rng.uniform(0.35, 1.25, len(roots)) * np.where(rng.random(len(roots)) < 0.03, 1.4, 1.0)
    step = np.stack([np.cos(heading), np.sin(heading)], -1) * (reach / (POINTS - 1))[:, None, None]
    step[..., 1] += groom.droop * along * (reach / (POINTS - 1))[:, None]
    return np.asarray(roots[:, None] + np.cumsum(step, 1) - step[:, :1], np.float32)


def _draw(rng: np.random.Generator, curves: Floats, groom: Groom, tint: NDArray[np.float64], cover: Bytes, colour: Bytes) -> None:
    """Draw every strand into cover and colour, brightest where it lies across the light (Kajiya and Kay 1989), from root to tip."""
    lamp = rng.uniform(0, 2 * np.pi)
    shine, depth = rng.uniform(0.2, 1.8), rng.uniform(0.2, 0.8)
    tangent = curves[:, 1:] - curves[:, :-1]
    angle = np.arctan2(tangent[..., 1], tangent[..., 0]) - lamp
    lit = (1 - depth + depth * np.abs(np.sin(angle)) + shine * np.abs(np.sin(angle)) ** 16) * rng.uniform(0.55, 1.25, (len(curves), 1))
    tones = np.clip(tint * lit[..., None] + rng.normal(0, 8, (len(curves), 1, 3)), 0, 255)
    points = fine(curves)
    spans = np.linspace(0, POINTS - 1, PIECES + 1).astype(int)
    widths = rng.choice(groom.widths, len(curves))
    picked = tones[:, (spans[:-1] + spans[1:]) // 2].tolist()
    for strand, colours, width in zip(points, picked, widths.tolist(), strict=True):
        for k in range(PIECES):
            piece = [strand[spans[k] : spans[k + 1] + 1]]
            thick = max(1, width - (k == PIECES - 1))
            cv2.polylines(colour, piece, False, colours[k], thick, cv2.LINE_8, 4)
            cv2.polylines(cover, piece, False, 255, thick, cv2.LINE_8, 4)


def _straight(colour: Bytes, cover: Bytes, alpha: Bytes, side: int) -> Bytes:
    """Return the mean colour of what is covered in each pixel, and what is near where nothing is."""
    masked = cv2.resize(cv2.bitwise_and(colour, colour, mask=cover), (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    share = alpha.astype(np.float32) / 255
    near, weight = cv2.GaussianBlur(masked, (0, 0), 5.0), cv2.GaussianBlur(share, (0, 0), 5.0)[..., None]
    mean = float(share.mean()) + 1e-6
    far = masked.mean((0, 1)) / mean
    fill = (near + 1e-3 * far) / (weight + 1e-3)
    straight = (masked + 0.02 * fill) / (share[..., None] + 0.02)
    return np.clip(straight + 0.5, 0, 255).astype(np.uint8)
