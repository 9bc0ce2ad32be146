"""The colour of the foreground alone, estimated from the scene-linear plate and its alpha.

Germer, Uelwer, Conrad, Harmeling, "Fast Multi-Level Foreground Estimation" (ICPR 2020): at every pixel foreground F and background B
explain the plate, αF + (1 − α)B = I, and both stay close to their neighbours, the closer where alpha changes. Solved from coarse to fine.

Ours differs where film differs from photographs. Colours have no upper limit, so instead of a clip to 0..1 each is bounded by what the
plate allows: light is not negative, hence αF ≤ I. A coarse pixel is a mean in which bright pixels weigh less (Karis, "Real Shading in
Unreal Engine 4", 2013), so a glint does not colour the frame. The fine levels visit only the pixels around partial alpha, in two colours
like a chess board.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Matte = NDArray[np.float32]
Indices = NDArray[np.intp]

HALF_MAX = np.float32(65504.0)
SMOOTHNESS, EDGE_SMOOTHNESS, SLACK = 1e-5, 0.1, 0.005
DENSE_SIDE = 128
SWEEPS_DENSE, SWEEPS_SPARSE = 10, 4


def estimate_foreground(plate: NDArray[np.floating], alpha: NDArray[np.floating]) -> Pixels:
    """Return the foreground's colour, H×W×3 float32, scene-linear, unpremultiplied, unclipped, always finite.

    Where alpha is 1 it is the plate itself, value for value; where alpha is 0 a smooth continuation of the nearest foreground.
    plate: H×W×3 float, scene-linear, any range (NaN counts as 0, Inf as 65504); alpha: H×W float, 0..1 (NaN counts as 0).
    """
    own = np.nan_to_num(np.asarray(plate, np.float32), nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX)
    coverage = np.minimum(np.fmax(alpha, 0.0, dtype=np.float32), np.float32(1.0))
    solid = coverage == 1.0
    if solid.all():
        return own
    levels = _pyramid(np.clip(own, -HALF_MAX, HALF_MAX), coverage)
    colours = _means(levels[-1])
    for level in reversed(levels):
        height, width = level.alpha.shape
        colours = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
        _solve(level, colours)
    return np.where(solid[..., None], own, colours[..., :3])


@dataclass(frozen=True)
class Level:
    """One scale: plate H×W×3 and alpha H×W, float32."""

    plate: Pixels
    alpha: Matte


def _pyramid(plate: Pixels, alpha: Matte) -> list[Level]:
    """Halve plate and alpha down to a single row or column; weights 1 / (1 + brightest channel)."""
    levels = [Level(plate, alpha)]
    red, green, blue = cv2.split(np.abs(plate))
    weight = 1.0 / (1.0 + cv2.max(cv2.max(red, green), blue))
    stack = cv2.merge([*(channel * weight for channel in cv2.split(plate)), alpha * weight])
    while min(weight.shape) > 1:
        size = ((weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2)
        stack = cv2.resize(stack, size, interpolation=cv2.INTER_AREA)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        mean = stack / weight[..., None]
        levels.append(Level(np.ascontiguousarray(mean[..., :3]), np.clip(mean[..., 3], 0.0, 1.0)))
    return levels


def _means(level: Level) -> NDArray[np.float32]:
    """Return H×W×6: everywhere the level's mean foreground and mean background colour, weighted by alpha and 1 − alpha."""
    alpha, plate = level.alpha.reshape(-1, 1), level.plate.reshape(-1, 3)
    foreground = (alpha * plate).sum(0) / alpha.sum() if alpha.any() else plate.mean(0)
    background = ((1 - alpha) * plate).sum(0) / (1 - alpha).sum() if (alpha < 1).any() else plate.mean(0)
    return np.tile(np.concatenate([foreground, background]).astype(np.float32), (*level.alpha.shape, 1))


def _solve(level: Level, colours: NDArray[np.float32]) -> None:
    """Refine `colours`, H×W×6 (foreground, background), in place at one level."""
    alpha = level.alpha
    height, width = alpha.shape
    dense = max(height, width) <= DENSE_SIDE
    rows, columns = np.nonzero(np.ones(alpha.shape, bool) if dense else _around_partial(alpha, reach=1))
    flat = colours.reshape(-1, 6)
    _know(level, flat, _around_partial(alpha, reach=2))
    halves = [_Half.at(level, rows[pick], columns[pick]) for pick in ((rows + columns) % 2 == 0, (rows + columns) % 2 == 1)]
    for _ in range(SWEEPS_DENSE if dense else SWEEPS_SPARSE):
        for half in halves:
            half.update(flat)


def _around_partial(alpha: Matte, *, reach: int) -> NDArray[np.bool_]:
    partial = ((alpha > 0) & (alpha < 1)).view(np.uint8)
    return np.asarray(cv2.dilate(partial, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).view(np.bool_))


def _know(level: Level, colours: NDArray[np.float32], where: NDArray[np.bool_]) -> None:
    """Write the plate's own colour where alpha is 1 into the foreground, where it is 0 into the background."""
    plate = level.plate.reshape(-1, 3)
    for value, channels in ((1.0, slice(0, 3)), (0.0, slice(3, 6))):
        here = np.flatnonzero(where & (level.alpha == value))
        colours[here, channels] = plate[here]


@dataclass(frozen=True)
class _Half:
    """The pixels of one colour of the chess board, N of them, and all that does not change while they are solved."""

    here: Indices
    neighbours: list[Indices]
    weights: list[NDArray[np.float32]]
    gain: NDArray[np.float32]
    share: NDArray[np.float32]
    plate: Pixels
    upper: NDArray[np.float32]
    lower: Pixels

    @classmethod
    def at(cls, level: Level, rows: Indices, columns: Indices) -> _Half:
        height, width = level.alpha.shape
        flat = level.alpha.reshape(-1)
        here = rows * width + columns
        neighbours = [
            np.where(rows > 0, here - width, here),
            np.where(rows < height - 1, here + width, here),
            np.where(columns > 0, here - 1, here),
            np.where(columns < width - 1, here + 1, here),
        ]
        alpha = flat[here]
        weights = [SMOOTHNESS + EDGE_SMOOTHNESS * np.abs(alpha - flat[there]) for there in neighbours]
        total = np.add.reduce(weights)
        plate = level.plate.reshape(-1, 3)[here]
        share = np.repeat(np.stack([alpha, 1 - alpha], axis=1), 3, axis=1)
        gain = share / (total + alpha**2 + (1 - alpha) ** 2)[:, None]
        upper = (np.tile(np.maximum(plate, 0), 2) + SLACK) / np.maximum(share, 1e-6)
        return cls(here, neighbours, [(w / total)[:, None] for w in weights], gain, share, plate, upper, np.tile(np.minimum(plate, 0), 2))

    def update(self, colours: NDArray[np.float32]) -> None:
        """Solve each pixel exactly while its neighbours stand still: their mean, moved along (α, 1 − α) to explain the plate."""
        mean = np.zeros_like(self.share)
        for there, weight in zip(self.neighbours, self.weights, strict=True):
            mean += weight * colours[there]
        np.clip(mean, self.lower, self.upper, out=mean)
        mixed = self.share * mean
        rest = self.plate - mixed[:, :3] - mixed[:, 3:]
        mean += self.gain * np.tile(rest, 2)
        colours[self.here] = np.clip(mean, self.lower, self.upper, out=mean)
