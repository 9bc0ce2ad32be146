"""A clip before it is rendered: its layers as 8-bit pictures, their motions, and everything else that is drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .degrade import Wear, drawn_wear
from .footage import Footage, fractal
from .foregrounds import FAMILIES, OPAQUE, OPEN, SEE_THROUGH, SHARES, Layer, available, layer
from .motion import Motion, camera_motion, object_motion
from .textures import Texture, moving, still, unfocused

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
EXTENT = 1.3  # a layer reaches this much farther than the frame
MOST_INSTANTS = 8
CHOSEN = {"plain": OPAQUE, "hazy": SEE_THROUGH, "open": OPEN}  # families of a kind of clip
APART = 0.6  # of plain things have colours unlike those behind them
UNFOCUSED = 0.75  # of what lies behind plain things is out of the lens's focus
FILMED, CURVES = 0.7, (1.0, 2.0)  # share of display-referred clips that mix in light, as cameras do, and the power of their tone curve
CLOSEST = 2.6  # a cut-out is at most this many times the frame's short side: hair is then as coarse as on a photograph


@dataclass(frozen=True)
class Piece:
    """A layer on its canvas: picture H×W×4 uint8, display-referred straight colour and alpha; folded: it goes on, mirrored, beyond."""

    picture: Bytes
    folded: bool
    motion: Motion
    extent: tuple[float, float]


@dataclass(frozen=True)
class Draft:
    """One clip. second: another foreground, or with `occluding` something in front that is not in the matte; curve: as in `Clips`."""

    first: Piece
    second: Piece | None
    occluding: bool
    behind: Texture
    camera: Motion
    times: NDArray[np.float64]
    linear: bool
    curve: float
    gain: NDArray[np.float64]
    flicker: NDArray[np.float64]
    highlights: float
    shutter: float
    instants: int
    softness: float
    wear: Wear | None


def drafted(
    words: Sequence[int],
    *,
    times: NDArray[np.float64],
    size: tuple[int, int],
    footage: Footage | None,
    families: Sequence[str] | None,
    clean: bool,
    kind: str = "usual",
) -> Draft:
    """Draw a clip from the words of its seed: the first chooses the pool of layers, the second which of them are alive.

    kind: "plain" is opaque things whose colours are not made alike to what lies behind, which is mostly out of focus; "hazy" is what can
    be seen through, "open" what is full of gaps; anything else is drawn from all families.
    """
    plain = kind == "plain"
    if families is None and kind in CHOSEN:
        families = [name for name in available(footage) if name in CHOSEN[kind]]
    rng = np.random.default_rng(list(words))
    short = min(size)
    extent = (EXTENT * size[0] / short, EXTENT * size[1] / short)
    canvas = (round(EXTENT * size[0]), round(EXTENT * size[1]))
    linear = bool(rng.random() < 0.65)
    behind = moving(rng, canvas, footage, times.tolist()) if rng.random() < 0.25 else still(rng, canvas, footage)
    if plain and rng.random() < UNFOCUSED:
        behind = unfocused(rng, behind)
    first = _piece(rng, words, canvas, extent, short, footage, families, behind, plain)
    again = rng.random()
    second = _piece(rng, words, canvas, extent, short, footage, families, behind, plain) if again < 0.3 else None
    camera = camera_motion(rng)
    shutter = float(rng.uniform(0.3, 1.0) * (rng.random() < 0.5))
    pieces = [p.motion for p in (first, second) if p is not None]
    travel = max(m.travel(float(t), shutter) for m in (*pieces, camera) for t in times) * short / 2 if shutter else 0.0
    return Draft(
        first=first,
        second=second,
        occluding=again < 0.1,
        behind=behind,
        camera=camera,
        times=times,
        linear=linear,
        curve=1.0 if linear else _curve(np.random.default_rng([*words, 4])),
        gain=2.0 ** rng.uniform(-1.5, 1.5) * rng.uniform(0.85, 1.15, 3) if linear else rng.uniform(0.8, 1.1) * rng.uniform(0.92, 1.08, 3),
        flicker=1 + rng.uniform(0, 0.12) * (rng.random() < 0.2) * np.sin(rng.uniform(0.2, 3.0) * times + rng.uniform(0, 6.3)),
        highlights=float(rng.uniform(0, 8.0) * (rng.random() < 0.35)),
        shutter=shutter,
        instants=_instants(travel),
        softness=float(rng.random() * (rng.random() < 0.4)),
        wear=None if clean else drawn_wear(rng, linear=linear, frames=len(times)),
    )


def _curve(rng: np.random.Generator) -> float:
    """Draw the power of its codes in which a display-referred clip mixes."""
    return float(rng.uniform(*CURVES)) if rng.random() < FILMED else 1.0


def _instants(travel: float) -> int:
    """Return how many moments of an open shutter to average for a way of so many pixels: steps of about one and a half, a power of two."""
    return 1 if travel < 0.7 else min(MOST_INSTANTS, 1 << int(np.ceil(np.log2(max(2.0, travel / 1.5)))))


def _piece(
    rng: np.random.Generator,
    words: Sequence[int],
    canvas: tuple[int, int],
    extent: tuple[float, float],
    short: int,
    footage: Footage | None,
    families: Sequence[str] | None,
    behind: Texture,
    plain: bool,
) -> Piece:
    names = list(families) if families is not None else list(available(footage))
    shares = np.array([SHARES.get(n, 0.2) for n in names])
    family = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    drawn = layer(rng, family, pool=words[0], seed=words[1], footage=footage)
    alpha, colour, folded = _placed(rng, drawn, canvas, short, roomy=family in FAMILIES)
    if drawn.tinted:
        cloth = still(rng, canvas, footage).shown[0].astype(np.float32)
        colour = cloth * (0.35 + 1.3 * colour.mean(-1, keepdims=True) / 255)
    elif rng.random() < 0.3:
        colour = colour * (0.6 + 0.8 * fractal(rng, max(canvas), cells=3, octaves=2)[: canvas[0], : canvas[1], None])
    if plain and rng.random() < APART:
        colour = apart_in_colour(rng, colour, alpha, behind.shown[0])
    elif not plain and rng.random() < 0.5:
        colour = close_in_colour(rng, colour, alpha, behind.shown[0])
    elif rng.random() < 0.5:
        grey = colour.mean(-1, keepdims=True)
        colour = grey + (colour - grey) * rng.uniform(0.0, 0.8)
    alpha, colour = _defocused(rng, alpha, colour)
    picture = np.empty((*canvas, 4), np.uint8)
    picture[..., :3], picture[..., 3] = np.clip(colour, 0, 255), alpha + 0.5
    return Piece(picture, folded, object_motion(rng), extent)


def _placed(rng: np.random.Generator, drawn: Layer, canvas: tuple[int, int], short: int, *, roomy: bool) -> tuple[Floats, Floats, bool]:
    """Return alpha and colour, 0..255, of a layer on a canvas, and whether it goes on beyond it."""
    scale = short * (rng.uniform(0.8, 1.7) if roomy else np.exp(rng.uniform(np.log(0.7), np.log(CLOSEST)))) / max(drawn.alpha.shape)
    height, width = (max(8, round(n * scale)) for n in drawn.alpha.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    alpha, colour = (cv2.resize(m, (width, height), interpolation=how) for m in (drawn.alpha, drawn.colour))
    if rng.random() < 0.5:
        alpha, colour = alpha[:, ::-1], colour[:, ::-1]
    top, left = ((c - n) // 2 for c, n in zip(canvas, (height, width), strict=True))
    if top < 0 or left < 0:
        if roomy:
            y, x = (max(0, -n + int(rng.integers(min(0, n), max(0, -n) + 1) * 0.5)) for n in (top, left))
        else:
            y, x = _looked_at(rng, alpha, canvas)
        alpha, colour = (m[y : y + canvas[0], x : x + canvas[1]] for m in (alpha, colour))
    cut = Layer(alpha, colour, drawn.tinted).cropped
    rows, columns = canvas[0] - alpha.shape[0], canvas[1] - alpha.shape[1]
    margins = (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
    if rows or columns:
        alpha = cv2.copyMakeBorder(alpha, *margins, cv2.BORDER_REFLECT if cut else cv2.BORDER_CONSTANT, value=0)
        colour = cv2.copyMakeBorder(colour, *margins, cv2.BORDER_REFLECT if cut else cv2.BORDER_REPLICATE)
    return alpha.astype(np.float32), colour.astype(np.float32), cut


def _looked_at(rng: np.random.Generator, alpha: Bytes, canvas: tuple[int, int]) -> tuple[int, int]:
    """Return the corner of a window of the canvas's size whose middle is a soft pixel, as far as the picture reaches."""
    soft = np.argwhere((alpha > 12) & (alpha < 243))
    middle = soft[rng.integers(len(soft))] if len(soft) else np.array(alpha.shape) // 2
    y, x = (int(np.clip(m - c // 2, 0, max(0, n - c))) for m, c, n in zip(middle, canvas, alpha.shape, strict=True))
    return y, x


def close_in_colour(rng: np.random.Generator, colour: Floats, alpha: Floats, reference: Bytes) -> Floats:
    """Shift the mean and spread of `colour`, where alpha is, towards those of a part of `reference`, as artists meet it; all 0..255."""
    pull = rng.uniform(0.4, 1.0)
    weight = alpha[::4, ::4].ravel() + 1e-3
    inside = colour[::4, ::4].reshape(-1, 3)
    mean = np.average(inside, axis=0, weights=weight)
    spread = np.sqrt(np.average((inside - mean) ** 2, axis=0, weights=weight)) + 4.0
    y, x = (int(rng.uniform(0.1, 0.5) * n) for n in reference.shape[:2])
    near = reference[y : y + reference.shape[0] // 2 : 4, x : x + reference.shape[1] // 2 : 4].reshape(-1, 3).astype(np.float32)
    goal, goal_spread = near.mean(0), near.std(0) + 4.0
    stretch = 1 + pull * (np.clip(goal_spread / spread, 0.3, 2.0) - 1)
    offset = mean * (1 - stretch) + pull * (goal - mean) + rng.normal(0, 8, 3)
    return colour * stretch.astype(np.float32) + offset.astype(np.float32)


def apart_in_colour(rng: np.random.Generator, colour: Floats, alpha: Floats, reference: Bytes) -> Floats:
    """Shift the mean of `colour`, where alpha is, away from that of `reference` and narrow its spread, as one kind of hair has it."""
    weight = alpha[::4, ::4].ravel() + 1e-3
    mean = np.average(colour[::4, ::4].reshape(-1, 3), axis=0, weights=weight)
    away = mean - reference[::4, ::4].reshape(-1, 3).astype(np.float32).mean(0) + rng.normal(0, 20, 3)
    away *= max(0.0, rng.uniform(60, 140) / (float(np.linalg.norm(away)) + 1e-3) - 1.0)
    kept = np.float32(rng.uniform(0.3, 1.0))
    return np.clip((mean + away).astype(np.float32) + kept * (colour - mean.astype(np.float32)), 0, 255)


def _defocused(rng: np.random.Generator, alpha: Floats, colour: Floats) -> tuple[Floats, Floats]:
    """Blur alpha, and with it the colour it lets be seen, by a lens, evenly or more to one side; mostly not at all. All 0..255."""
    if rng.random() > 0.3:
        return alpha, colour
    radius = float(np.exp(rng.uniform(np.log(0.8), np.log(0.04 * alpha.shape[0]))))
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    layers = np.dstack([colour * alpha[..., None], alpha]).astype(np.float32)
    blurred = cv2.filter2D(layers, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        share = np.ones(alpha.shape[1], np.float32)
    else:
        share = np.clip(np.linspace(rng.uniform(-1, 1), rng.uniform(0, 2), alpha.shape[1], dtype=np.float32), 0, 1)
    layers += share[:, None] * (blurred - layers)
    soft = layers[..., 3].clip(0, 255)
    return soft, np.where(soft[..., None] > 0.5, layers[..., :3] / np.maximum(soft, 0.5)[..., None], colour)
