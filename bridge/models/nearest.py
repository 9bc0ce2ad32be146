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
    wide = F.pad(_column_distance(known, reach=reach, kind=kind).square_(), (1, 1), value=far)
    squared, left, right = wide[..., 1:-1], wide[..., :-2], wide[..., 2:]
    beside = torch.empty_like(squared, memory_format=torch.contiguous_format)
    for k in range(1, min(reach, known.shape[-1] - 1) + 1):
        torch.minimum(left, right, out=beside)
        torch.minimum(squared, beside.add_(2 * k - 1), out=squared)
    return squared.float().sqrt_().clamp_(max=limit)


def _column_distance(known: Tensor, *, reach: int, kind: torch.dtype) -> Tensor:
    steps = torch.full(known.shape, reach, dtype=kind, device=known.device).masked_fill_(known, 0)
    shift = 1
    while shift <= reach and shift < known.shape[-2]:
        above, below = steps[..., :-shift, :], steps[..., shift:, :]
        torch.minimum(below, above + shift, out=below)
        torch.minimum(above, below + shift, out=above)
        shift *= 2
    return steps


def nearest_known(sides: list[Tensor], *, wanted: Tensor) -> list[list[Tensor]]:
    """Return for each side a pyramid of positions of near true pixels: level l holds one per cell of 2^l pixels.

    sides: N×H×W bool each; wanted: N×H×W bool. Each level: N×h×w int32, y·65536 + x in the full frame, -1 where none was found or asked
    for. Level 0 answers where `wanted` or true, coarser ones within four cells of a wanted pixel and wherever a cell holds true pixels.
    A cell that holds true pixels keeps one of its own; an empty one takes the nearest of what the 3×3 cells above it found.
    """
    asked = [wanted]
    while max(asked[-1].shape[-2:]) > 1:
        asked.append(_coarser(asked[-1]))
    around = [wanted] + [_near(asked, number) for number in range(1, len(asked))]
    return [_pyramid(known, wanted & ~known, around) for known in sides]


def _pyramid(known: Tensor, wanted: Tensor, around: list[Tensor]) -> list[Tensor]:
    rows, columns = (torch.arange(n, device=known.device, dtype=torch.int32) for n in known.shape[-2:])
    levels = [torch.where(known, rows[:, None] * 65536 + columns, -1)]
    while len(levels) < len(around):
        levels.append(_coarser(levels[-1]))
    for number in range(len(levels) - 2, -1, -1):
        _fill(levels[number], levels[number + 1], around[number] & (levels[number] < 0), cell=2**number)
    _fill(levels[0], levels[0], wanted, cell=1)
    return levels


def _near(asked: list[Tensor], number: int) -> Tensor:
    """Return the cells of a level that lie within four cells of an asked one: those next to an asked one two levels up."""
    height, width = asked[number].shape[-2:]
    if number + 2 >= len(asked):
        return torch.ones_like(asked[number])
    wide = F.max_pool2d(asked[number + 2].float()[:, None], 3, 1, 1)[:, 0] > 0
    return wide.repeat_interleave(4, 1)[:, :height].repeat_interleave(4, 2)[..., :width]


def _coarser(cells: Tensor) -> Tensor:
    """Return the greatest of each 2×2 cells: of positions the last, of answers whether any is true."""
    even = F.pad(cells, (0, cells.shape[-1] % 2, 0, cells.shape[-2] % 2), value=-1 if cells.dtype == torch.int32 else 0)
    return torch.maximum(torch.maximum(even[:, ::2, ::2], even[:, 1::2, 1::2]), torch.maximum(even[:, ::2, 1::2], even[:, 1::2, ::2]))


def _fill(seeds: Tensor, above: Tensor, empty: Tensor, *, cell: int) -> None:
    """Give every empty cell the nearest seed of the 3×3 cells around it: one level up, or on its own level where `above` is `seeds`."""
    frame, row, column = torch.nonzero(empty, as_tuple=True)
    height, width = above.shape[-2:]
    halvings = 0 if above is seeds else 1
    start, table = frame * (height * width), above.reshape(-1)
    rows = [start + ((row >> halvings) + d).clamp_(0, height - 1) * width for d in (-1, 0, 1)]
    columns = [((column >> halvings) + d).clamp_(0, width - 1) for d in (-1, 0, 1)]
    offered = [table.index_select(0, r + c) for r in rows for c in columns]
    down, across = (row * cell + cell // 2).to(torch.int32), (column * cell + cell // 2).to(torch.int32)
    nearest, best = torch.full_like(down, 2**30), torch.full_like(down, -1)
    for seed in offered:
        squared = ((seed >> 16) - down).square() + ((seed & 65535) - across).square()
        closer = (squared < nearest) & (seed >= 0)
        nearest, best = torch.where(closer, squared, nearest), torch.where(closer, seed, best)
    seeds.view(-1)[(frame * seeds.shape[-2] + row) * seeds.shape[-1] + column] = best
