"""Foreground families: each draws one layer, alpha and the colour that goes with it; layers are kept in a bounded pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .footage import Footage, fractal, noise
from .gaps import pierced, twigs
from .openwork import patterned
from .strands import strands

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Painter = Callable[[np.random.Generator, int], tuple[Bytes, Bytes]]
SIDE = 384  # pixels of a drawn layer
POOL, WINDOW, REFRESH = 192, 24, 4  # numbered layers of a family; alive at once; batches until one of those is replaced
SUPERSAMPLED = 4
CUTOUT, EFFECT = "cutout", "effect"


@dataclass(frozen=True)
class Layer:
    """alpha: H×W uint8; colour: H×W×3 uint8, display-referred, straight and defined everywhere; tinted: a texture may be multiplied in."""

    alpha: Bytes
    colour: Bytes
    tinted: bool

    @property
    def cropped(self) -> bool:
        """Whether the picture's border cuts the object, so that it goes on beyond it."""
        rim = (self.alpha[0], self.alpha[-1], self.alpha[:, 0], self.alpha[:, -1])
        return max(float((r > 12).mean()) for r in rim) > 0.02


def blobs(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw solid shapes with a hard edge."""
    big = side * SUPERSAMPLED
    field = _island(rng, side) + rng.uniform(0, 0.5) * (fractal(rng, side, cells=int(rng.integers(4, 14)), octaves=4, gain=0.6) - 0.5)
    field = field - np.quantile(field, rng.uniform(0.55, 0.85))
    cover = np.where(cv2.resize(field, (big, big), interpolation=cv2.INTER_CUBIC) > 0, 255, 0).astype(np.uint8)
    return _down(cover, side), _shaded(rng, side)


def edges(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw hard-edged things: polygons with straight sides, bars and wires, holes."""
    big = side * SUPERSAMPLED
    cover = np.zeros((big, big), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        corners = int(rng.integers(3, 9))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = big * rng.uniform(0.05, 0.3, corners)
        points = big * rng.uniform(0.32, 0.68, 2) + np.stack([np.cos(turn) * reach, np.sin(turn) * reach], -1)
        cv2.fillPoly(cover, [(points * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    for _ in range(int(rng.integers(0, 14))):
        (x0, y0), (x1, y1) = (big * 16 * rng.uniform(0.08, 0.92, (2, 2))).astype(int).tolist()
        cv2.line(cover, (x0, y0), (x1, y1), int(rng.choice([0, 255])), int(rng.integers(1, 24)), cv2.LINE_8, 4)
    for _ in range(int(rng.integers(0, 6))):
        x, y = (big * rng.uniform(0.2, 0.8, 2)).astype(int).tolist()
        cv2.circle(cover, (x, y), int(big * rng.uniform(0.01, 0.08)), int(rng.choice([0, 0, 255])), int(rng.choice([-1, 6, 16])))
    return _down(cover, side), _shaded(rng, side)


def smoke(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw smoke: billows of many sizes that are nowhere, or hardly, opaque."""
    billow = fractal(rng, side, cells=int(rng.integers(2, 6)), octaves=6, gain=rng.uniform(0.45, 0.65))
    if rng.random() < 0.5:
        billow = 1 - 2 * np.abs(billow - 0.5)
    spread = fractal(rng, side, cells=3, octaves=2)
    falloff = _island(rng, side) if rng.random() < 0.7 else np.ones((side, side), np.float32)
    density = np.clip(billow - rng.uniform(0.1, 0.5), 0, 1) * (0.3 + spread) * np.clip(1.6 * falloff, 0, 1)
    peak = float(np.quantile(density, 0.995)) + 1e-6
    alpha = 1 - np.exp(-rng.uniform(0.4, 4.5) * density / peak)
    tone = np.clip(rng.uniform(0.05, 0.9) + 0.4 * (billow - 0.5) + 0.2 * (spread - 0.5), 0, 1)
    return _eight(alpha), _eight(tone[..., None] * np.clip(1 + rng.normal(0, 0.08, 3), 0.5, 1.3))


def glass(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw glass: a faint body, a denser rim as seen at a grazing angle, sharp opaque highlights."""
    inside = blobs(rng, side)[0] if rng.random() < 0.4 else _vessel(rng, side)
    depth = cv2.distanceTransform((inside > 127).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rim = np.exp(-depth / (side * rng.uniform(0.008, 0.05)))
    body = rng.uniform(0.03, 0.35) + rng.uniform(0.3, 0.95) * rim + 0.3 * np.clip(fractal(rng, side, cells=5, octaves=2) - 0.6, 0, 1)
    glint = np.clip((fractal(rng, side, cells=int(rng.integers(4, 10)), octaves=2) - rng.uniform(0.66, 0.8)) * rng.uniform(5, 25), 0, 1)
    alpha = inside / 255.0 * np.clip(body + glint, 0, 1)
    tone = np.clip(rng.uniform(0.1, 0.7) + 0.2 * rim, 0, 1)[..., None] * np.clip(1 + rng.normal(0, 0.15, 3), 0.4, 1.4)
    return _eight(alpha), _eight(tone * (1 - glint[..., None]) + glint[..., None])


def veil(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw thin cloth: folds that lie double here and single there, now and then with its weave visible."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    warp = fractal(rng, side, cells=3, octaves=3) * rng.uniform(0.2, 0.8)
    turn = rng.uniform(0, np.pi)
    across = x * np.cos(turn) + y * np.sin(turn) + warp
    folds = 0.5 + 0.5 * np.sin(2 * np.pi * across * rng.uniform(2, 9))
    single = rng.uniform(0.12, 0.6)
    layers = 1 + rng.uniform(0.5, 2.5) * folds ** rng.uniform(1, 4)
    alpha = 1 - (1 - single) ** layers
    if rng.random() < 0.2:
        pitch = rng.uniform(5.0, 14.0)
        alpha = alpha * (0.75 + 0.25 * np.sin(2 * np.pi * x * side / pitch) * np.sin(2 * np.pi * y * side / pitch))
    shape = blobs(rng, side)[0] / 255.0 if rng.random() < 0.75 else np.ones((side, side), np.float32)
    tone = np.clip(rng.uniform(0.15, 0.8) + 0.35 * (folds - 0.5), 0, 1)
    return _eight(alpha * shape), _eight(tone[..., None] * np.clip(1 + rng.normal(0, 0.2, 3), 0.3, 1.5))


def spray(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw drops, sparks, dust and snow: many small soft or hard discs and streaks of their own opacity."""
    count, soft = int(rng.integers(40, 700)), rng.random() < 0.5
    clear, colour = np.ones((side, side), np.float32), _shaded(rng, side)
    places = side * np.clip(rng.normal(0.5, rng.uniform(0.1, 0.25), (count, 2)), 0.03, 0.97)
    sizes = np.exp(rng.normal(np.log(side * 0.006), 0.6, count)).clip(0.5, side * 0.05)
    tail = rng.normal(0, rng.choice([0.0, 0.015]), 2)
    for part in range(4):
        cover = np.zeros((side * 2, side * 2), np.uint8)
        for (x, y), radius in zip(places[part::4] * 2, sizes[part::4] * 2, strict=True):
            end = (int(16 * (x + tail[0] * side * 2)), int(16 * (y + tail[1] * side * 2)))
            cv2.line(cover, (int(16 * x), int(16 * y)), end, 255, max(1, int(2 * radius)), cv2.LINE_8, 4)
        veiled = _down(cover, side).astype(np.float32) / 255 * rng.uniform(0.25, 1.0)
        clear *= 1 - (cv2.GaussianBlur(veiled, (0, 0), float(rng.uniform(0.8, 3.0))) if soft else veiled)
    return _eight(1 - clear), colour


def leaves(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw foliage: many pointed leaves with stalks and a midrib, background between them."""
    big = side * SUPERSAMPLED
    cover, colour = np.zeros((big, big), np.uint8), np.full((big, big, 3), 60, np.uint8)
    green = np.array([rng.uniform(20, 150), rng.uniform(60, 190), rng.uniform(10, 90)])
    length, slim = big * rng.uniform(0.03, 0.1), rng.uniform(0.15, 0.45)
    for _ in range(int(rng.integers(50, 260))):
        tone = np.clip(green * rng.uniform(0.35, 1.5) + rng.normal(0, 10, 3), 0, 255)
        _leaf(rng, cover, colour, tone, length * rng.uniform(0.5, 1.4), slim)
    return _down(cover, side), cv2.resize(colour, (side, side), interpolation=cv2.INTER_AREA)


def lace(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw nets and lace: bent threads with holes, square, diagonal or of rings, cut to a shape."""
    big = side * 2
    y, x = np.mgrid[:big, :big].astype(np.float32)
    bend = big * rng.uniform(0.01, 0.06)
    y, x = y + bend * fractal(rng, big, cells=4, octaves=2), x + bend * fractal(rng, big, cells=4, octaves=2)
    pitch, turn = rng.uniform(14, 44), rng.uniform(0, np.pi)
    u, v = (x * np.cos(turn) + y * np.sin(turn)) / pitch, (y * np.cos(turn) - x * np.sin(turn)) / pitch
    near = [np.abs(w - np.round(w)) for w in (u, v)]
    away = np.minimum(*near)
    if rng.random() < 0.5:
        away = np.minimum(away, np.abs(np.hypot(*near) - rng.uniform(0.25, 0.45)))
    thread = rng.uniform(1.0, 4.5)
    net = np.clip(thread - away * pitch + 0.5, 0, 1).astype(np.float32)
    shape = _down(cv2.resize(blobs(rng, side)[0], (big, big)), side) / 255.0
    return _eight(cv2.resize(net, (side, side), interpolation=cv2.INTER_AREA) * shape), _shaded(rng, side)


def holed(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw a solid shape with small holes through which the background is seen."""
    cover, colour = blobs(rng, side) if rng.random() < 0.6 else edges(rng, side)
    return pierced(rng, cover), colour


def openwork(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw a pattern full of gaps, cut to a shape or all over the picture."""
    cover = patterned(rng, side)
    shape = blobs(rng, side)[0] if rng.random() < 0.7 else np.full_like(cover, 255)
    return np.minimum(cover, shape), _shaded(rng, side)


FAMILIES: dict[str, Painter] = {
    "strands": strands,
    "blobs": blobs,
    "edges": edges,
    "smoke": smoke,
    "glass": glass,
    "veil": veil,
    "spray": spray,
    "leaves": leaves,
    "lace": lace,
    "twigs": twigs,
    "holed": holed,
    "openwork": openwork,
}
HELD_OUT = ("leaves", "lace")
SHARES = {
    "strands": 0.21,
    "blobs": 0.04,
    "edges": 0.05,
    "twigs": 0.09,
    "holed": 0.07,
    "openwork": 0.12,
    "smoke": 0.06,
    "glass": 0.04,
    "veil": 0.02,
    "spray": 0.02,
    CUTOUT: 0.25,
    EFFECT: 0.03,
}
TRAINED = tuple(SHARES)
OPAQUE = ("strands", "blobs", "edges", "holed", CUTOUT)
SEE_THROUGH = ("smoke", "glass", "veil")
OPEN = ("openwork", "twigs")
TINTED = {
    "blobs": 1.0,
    "edges": 1.0,
    "veil": 0.5,
    "glass": 0.2,
    "strands": 0.35,
    "spray": 0.4,
    "twigs": 0.3,
    "holed": 0.8,
    "openwork": 0.6,
    "smoke": 0.1,
    "leaves": 0.3,
    "lace": 0.7,
}


def available(footage: Footage | None) -> tuple[str, ...]:
    """Return the families for training that can be drawn with this footage."""
    packed = {CUTOUT: bool(footage and footage.cutouts), EFFECT: bool(footage and footage.effects)}
    return tuple(name for name in TRAINED if packed.get(name, True))


def layer(rng: np.random.Generator, family: str, *, pool: int, seed: int, footage: Footage | None) -> Layer:
    """Draw a layer of a family: one of the pack, or one of those that a pool keeps alive around a seed; no two pools share one.

    Raises ValueError.
    """
    if family in FAMILIES:
        number = pool * POOL + (seed // REFRESH + int(rng.integers(WINDOW))) % POOL
        alpha, colour = pooled(family, number)
        return Layer(alpha, colour, bool(rng.random() < TINTED[family]))
    packed = {} if footage is None else {CUTOUT: footage.cutouts, EFFECT: footage.effects}
    if not packed.get(family):
        raise ValueError(f"no foreground family {family!r} here: use one of {', '.join([*FAMILIES, *packed])}, with a pack for cut-outs")
    for _ in range(6):
        picture = packed[family][rng.integers(len(packed[family]))]
        if float((picture[::8, ::8, 3] < 128).mean()) > 0.02 and picture[..., 3].any():
            break
    return Layer(picture[..., 3], picture[..., :3], bool(rng.random() < 0.1))


@lru_cache(maxsize=8 * POOL)
def pooled(family: str, number: int) -> tuple[Bytes, Bytes]:
    """Return alpha SIDE×SIDE and colour SIDE×SIDE×3, uint8, of a family's layer; what it shows follows from its number alone."""
    alpha, colour = FAMILIES[family](np.random.default_rng([list(FAMILIES).index(family), number]), SIDE)
    alpha.setflags(write=False)
    colour.setflags(write=False)
    return alpha, colour


def _island(rng: np.random.Generator, side: int) -> Floats:
    """Return a field that is about 1 in the middle and 0 well before the border, uneven."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    u, v = x * rng.uniform(0.8, 1.5), y * rng.uniform(0.8, 1.5)
    reach = np.hypot(u, v) * 2.3 + 0.5 * (fractal(rng, side, cells=4, octaves=3) - 0.5)
    rim = np.clip(12 * (0.5 - np.maximum(np.abs(x), np.abs(y))), 0, 1)
    return np.asarray(np.clip(1.15 - reach, 0, 1) * rim, np.float32)


def _vessel(rng: np.random.Generator, side: int) -> Bytes:
    """Return the outline of something turned on a wheel: a bottle, a bowl, a bulb."""
    heights = np.linspace(0, 1, 6)
    profile = np.polynomial.Polynomial.fit(heights, rng.uniform(0.07, 0.26, 6), 4)(np.linspace(0, 1, 60)).clip(0.03, 0.35)
    y = side * np.linspace(0.15, 0.85, 60)
    left, right = side * (0.5 - profile), side * (0.5 + profile)
    points = np.concatenate([np.stack([left, y], -1), np.stack([right, y], -1)[::-1]])
    cover = np.zeros((side * SUPERSAMPLED,) * 2, np.uint8)
    cv2.fillPoly(cover, [(points * 16 * SUPERSAMPLED).astype(np.int32)], 255, cv2.LINE_8, 4)
    return _down(cover, side)


def _leaf(rng: np.random.Generator, cover: Bytes, colour: Bytes, tone: NDArray[np.float64], length: float, slim: float) -> None:
    turn, place = rng.uniform(0, 2 * np.pi), np.clip(rng.normal(0.5, 0.15, 2), 0.14, 0.86) * cover.shape[0]
    t = np.linspace(0, 2 * np.pi, 24)
    outline = np.stack([np.cos(t), np.sin(t) * slim * (1 - 0.4 * np.cos(t))], -1) * length
    spine = np.stack([np.linspace(-1.6, 0.9, 6), 0.06 * np.sin(np.linspace(0, 3, 6))], -1) * length
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    leaf, rib = (((p @ spin.T + place) * 16).astype(np.int32) for p in (outline, spine))
    dark = (tone * 0.6).tolist()
    cv2.polylines(cover, [rib[:3]], False, 255, 3, cv2.LINE_8, 4)
    cv2.fillPoly(cover, [leaf], 255, cv2.LINE_8, 4)
    cv2.fillPoly(colour, [leaf], tone.tolist(), cv2.LINE_8, 4)
    cv2.polylines(colour, [rib], False, dark, 3, cv2.LINE_8, 4)


def _shaded(rng: np.random.Generator, side: int) -> Bytes:
    """Return a lit, nearly plain surface: a gradient and soft bumps."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 1.0) * (x * np.cos(turn) + y * np.sin(turn)) + rng.uniform(0, 0.7) * (noise(rng, side, cells=6) - 0.5)
    hue = rng.uniform(0.15, 0.9) + rng.normal(0, 0.3 * rng.random() ** 2, 3)
    return _eight(light[..., None] * np.clip(hue, 0.03, 1))


def _down(cover: Bytes, side: int) -> Bytes:
    return np.asarray(cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _eight(values: NDArray[np.floating]) -> Bytes:
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
