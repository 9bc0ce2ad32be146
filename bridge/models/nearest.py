"""Where the nearest known pixels are: exact clamped distances, and a pyramid of nearest positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2


def distances(classes: Tensor, *, limit: float) -> tuple[Tensor, Tensor]:
    """Return the distances to the nearest certain background and to the nearest certain foreground.

    classes: N×1×H×W integer, 0 background, 1 unknown, 2 foreground. Each result: N×1×H×W float32, pixels, Euclidean between pixel centres,
    0 on the class itself, clamped at `limit`.
    """
    return distance_to(classes == BACKGROUND, limit=limit), distance_to(classes == FOREGROUND, limit=limit)


def distance_to(known: Tensor, *, limit: float) -> Tensor:
    """Return the exact Euclidean distance to the nearest true pixel, clamped at `limit`; known: N×1×H×W bool.

    Columns first by doubling steps, then rows as a chain of three-tap erosions whose sum is the parabola n²
    (van den Boomgaard 1992: the quadratic structuring function is separable and splits into odd numbers).
    """
    reach = max(1, math.ceil(limit))
    far = reach * reach
    kind = torch.int16 if 2 * far < 32767 else torch.int32
    squared = _column_distance(known, reach=reach).square().clamp(max=far).to(kind)
    for k in range(1, min(reach, known.shape[-1] - 1) + 1):
        padded = F.pad(squared, (1, 1), value=far)
        squared = torch.minimum(squared, torch.minimum(padded[..., :-2], padded[..., 2:]) + (2 * k - 1))
    return squared.float().sqrt().clamp(max=limit)


def _column_distance(known: Tensor, *, reach: int) -> Tensor:
    steps = torch.where(known, 0, reach).to(torch.int32)
    shift = 1
    while shift <= reach and shift < known.shape[-2]:
        down = F.pad(steps[..., :-shift, :], (0, 0, shift, 0), value=reach) + shift
        up = F.pad(steps[..., shift:, :], (0, 0, 0, shift), value=reach) + shift
        steps = torch.minimum(steps, torch.minimum(down, up))
        shift *= 2
    return steps.clamp(max=reach)


def nearest_known(known: Tensor, *, wanted: Tensor) -> list[Tensor]:
    """Return a pyramid of positions of near true pixels: level l holds one per cell of 2^l pixels, level 0 only where `wanted` or true.

    known, wanted: N×H×W bool. Each level: N×h×w int64, y·W + x in the full frame, -1 where the frame has none.
    A cell that holds true pixels keeps one of its own; an empty one takes the nearest of what the 3×3 cells above it found.
    """
    width = known.shape[-1]
    place = torch.arange(known.shape[-2] * width, device=known.device).view(1, known.shape[-2], width)
    levels = [torch.where(known, place, -1)]
    while max(levels[-1].shape[-2:]) > 1:
        levels.append(_coarser(levels[-1]))
    for number in range(len(levels) - 2, -1, -1):
        empty = levels[number] < 0
        _fill(levels[number], levels[number + 1], empty & wanted if number == 0 else empty, cell=2**number, width=width)
    _settle(levels[0], wanted & ~known, width=width)
    return levels


def _coarser(seeds: Tensor) -> Tensor:
    height, width = seeds.shape[-2:]
    even = F.pad(seeds, (0, width % 2, 0, height % 2), value=-1)
    return torch.maximum(torch.maximum(even[:, ::2, ::2], even[:, 1::2, 1::2]), torch.maximum(even[:, ::2, 1::2], even[:, 1::2, ::2]))


def _fill(seeds: Tensor, above: Tensor, empty: Tensor, *, cell: int, width: int) -> None:
    frame, row, column = torch.nonzero(empty, as_tuple=True)
    rows = [(row // 2 + d).clamp(0, above.shape[-2] - 1) for d in (-1, 0, 1)]
    columns = [(column // 2 + d).clamp(0, above.shape[-1] - 1) for d in (-1, 0, 1)]
    offered = torch.stack([above[frame, r, c] for r in rows for c in columns], 1)
    seeds[frame, row, column] = _closest(offered, row, column, cell=cell, width=width)


def _settle(seeds: Tensor, wanted: Tensor, *, width: int) -> None:
    """Let every wanted pixel look at its neighbours' finds once more."""
    frame, row, column = torch.nonzero(wanted, as_tuple=True)
    rows = [(row + d).clamp(0, seeds.shape[-2] - 1) for d in (-1, 0, 1)]
    columns = [(column + d).clamp(0, seeds.shape[-1] - 1) for d in (-1, 0, 1)]
    offered = torch.stack([seeds[frame, r, c] for r in rows for c in columns], 1)
    seeds[frame, row, column] = _closest(offered, row, column, cell=1, width=width)


def _closest(offered: Tensor, row: Tensor, column: Tensor, *, cell: int, width: int) -> Tensor:
    centre = (cell - 1) / 2
    down = torch.div(offered, width, rounding_mode="floor")
    across = offered - down * width
    squared = (down - (row * cell + centre)[:, None]).square() + (across - (column * cell + centre)[:, None]).square()
    best = torch.where(offered < 0, torch.inf, squared).argmin(1, keepdim=True)
    return offered.gather(1, best)[:, 0]
