"""Foreground/background colour pairs for the unknown pixels: gathered around, all tried, the best kept, then shared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .nearest import nearest_known

RINGS = ((0.0, 1, 0), (8.0, 3, 2), (30.0, 4, 3))  # radius in full-resolution pixels, places on it, level of the pyramid asked there
GROWTH = 14  # a known pixel lends its class to alike unknown ones so near, in full-resolution pixels
GROWTH_STRIDE = 2  # every second pixel is asked
ALIKE = 14.0 / 255.0  # perceptual colour distance
AT_ONCE = 4096  # pixels whose pairs are tried together
LUMA = (0.2126, 0.7152, 0.0722)  # Rec.709


@dataclass(frozen=True)
class Pixels:
    """The unknown pixels of a batch as one list of length M: frame, row, column, and where they lie in the flattened batch."""

    frame: Tensor
    row: Tensor
    column: Tensor
    place: Tensor  # (frame·H + row)·W + column
    height: int
    width: int


@dataclass(frozen=True)
class Pairs:
    """One foreground/background pair per unknown pixel; foreground, background: M×3; alpha, error: M, error in perceptual colour units."""

    foreground: Tensor
    background: Tensor
    alpha: Tensor
    error: Tensor


def unknown_pixels(wanted: Tensor) -> Pixels:
    """List the true pixels of N×H×W."""
    _, height, width = wanted.shape
    frame, row, column = torch.nonzero(wanted, as_tuple=True)
    return Pixels(frame, row, column, (frame * height + row) * width + column, height, width)


def perceptual_weight(colours: Tensor, linear: Tensor) -> Tensor:
    """Return the slope of a square-root encoding at each colour: M; colours: M×3; linear: M bool. 1 for display-referred colours."""
    luma = (colours * colours.new_tensor(LUMA)).sum(-1).clamp(min=0.0)
    return torch.where(linear, 1.0 / (2.0 * luma.sqrt() + 0.1), 1.0)


def gather_candidates(pixels: Pixels, levels: list[Tensor], *, step: int) -> Tensor:
    """Return M×K positions (in the flattened batch) of known pixels seen from K places around each unknown one."""
    size = pixels.height * pixels.width
    turn = ((pixels.row % 3) * 3 + pixels.column % 3).float() * (2.0 * math.pi / 9.0)
    found = []
    for reach, count, number in RINGS:
        radius, number = reach / step, max(0, number - step + 1)
        level = levels[min(number, len(levels) - 1)]
        cell = 2 ** min(number, len(levels) - 1)
        for k in range(count):
            angle = turn / count + 2.0 * math.pi * k / count
            row = (pixels.row + (radius * angle.sin()).round().long()).clamp(0, pixels.height - 1) // cell
            column = (pixels.column + (radius * angle.cos()).round().long()).clamp(0, pixels.width - 1) // cell
            found.append(level[pixels.frame, row, column])
    return torch.stack(found, 1) + (pixels.frame * size)[:, None]


def best_pairs(pixels: Pixels, colours: Tensor, weight: Tensor, foreground: list[Tensor], background: list[Tensor], *, step: int) -> Pairs:
    """Try every foreground candidate with every background candidate and keep the best.

    colours: P×3 of the whole batch; weight: M perceptual weights. The cost is the colour error plus the distances, relative to the
    nearest candidate's, plus a term against pairs that are hardly apart (after Gastal and Oliveira 2010, He et al. 2011).
    """
    near_f, near_b = (gather_candidates(pixels, levels, step=step) for levels in (foreground, background))
    here, scale = colours[pixels.place], weight.square()[:, None, None]
    far_f, far_b = _relative(pixels, near_f), _relative(pixels, near_b)
    parts = (x.split(AT_ONCE) for x in (near_f, near_b, here, scale, far_f, far_b))
    return Pairs(*(torch.cat(rows) for rows in zip(*(_best(colours, *part) for part in zip(*parts, strict=True)), strict=True)))


def _best(
    colours: Tensor, near_f: Tensor, near_b: Tensor, here: Tensor, scale: Tensor, far_f: Tensor, far_b: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return foreground, background, alpha and error of the cheapest pair of each pixel, for so many that all pairs stay in the cache."""
    f, b = (colours[near] - here[:, None] for near in (near_f, near_b))
    ff, bb, fb = (f * f).sum(-1)[:, :, None], (b * b).sum(-1)[:, None], f @ b.transpose(1, 2)
    apart = (ff + bb - 2.0 * fb).clamp_(min=0.0).mul_(scale)
    alpha, squared = _projected(bb * scale, fb * scale, apart)
    cost = squared.sqrt().mul_(255.0).add_(0.6 * far_f[:, :, None]).add_(0.6 * far_b[:, None])
    cost += 2.0 / (5.0 * apart.sqrt() + 0.1)
    best = cost.flatten(1).argmin(1, keepdim=True)
    count = near_b.shape[1]
    pick = [near.gather(1, which)[:, 0] for near, which in ((near_f, best // count), (near_b, best % count))]
    chosen = [t.flatten(1).gather(1, best)[:, 0] for t in (alpha, squared)]
    return colours[pick[0]], colours[pick[1]], chosen[0], chosen[1].sqrt()


def grown(foreground: Tensor, background: Tensor, colours: Tensor, weight: Tensor, *, step: int) -> tuple[Tensor, Tensor]:
    """Let known pixels lend their class to unknown ones near them that look alike (known-region expansion, Gastal and Oliveira 2010).

    foreground, background: N×H×W bool, known; colours: P×3 and weight: P of the whole batch. Returns both, grown; each unknown pixel
    joins the class of which it found the closer colour, if that is close enough.
    """
    pixels = unknown_pixels(~(foreground | background))
    if not pixels.place.numel():
        return foreground, background
    here, scale = colours[pixels.place], weight[pixels.place]
    kind = foreground.flatten().to(torch.int8) - background.flatten().to(torch.int8)
    nearest = {side: torch.full_like(scale, 9.0) for side in (-1, 1)}
    for down, across in _disc(GROWTH / step, max(1, round(GROWTH_STRIDE / step))):
        row, column = (pixels.row + down).clamp(0, pixels.height - 1), (pixels.column + across).clamp(0, pixels.width - 1)
        asked = (pixels.frame * pixels.height + row) * pixels.width + column
        squared, lent = (colours[asked] - here).square().sum(-1), kind[asked]
        for side, best in nearest.items():
            nearest[side] = torch.where(lent == side, torch.minimum(best, squared), best)
    apart = {side: best.sqrt() * scale for side, best in nearest.items()}
    joined = [foreground.flatten().clone(), background.flatten().clone()]
    joined[0][pixels.place] = (apart[1] < ALIKE) & (apart[1] <= apart[-1])
    joined[1][pixels.place] = (apart[-1] < ALIKE) & (apart[-1] < apart[1])
    return joined[0].view_as(foreground), joined[1].view_as(background)


def _disc(radius: float, stride: int) -> list[tuple[int, int]]:
    """Return offsets in a disc: every `stride`-th on a chequer, and all of the nearest."""
    reach = range(-int(radius), int(radius) + 1)
    inside = [(y, x) for y in reach for x in reach if 0 < y * y + x * x <= radius * radius]
    return [(y, x) for y, x in inside if y * y + x * x <= 2 or (y % stride == 0 and x % stride == 0 and (y + x) // stride % 2 == 0)]


def _projected(bb: Tensor, fb: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    alpha = ((bb - fb) / (apart + 1e-5)).clamp(0.0, 1.0)
    return alpha, (bb - 2.0 * alpha * (bb - fb) + alpha.square() * apart).clamp(min=0.0)


def _relative(pixels: Pixels, near: Tensor) -> Tensor:
    inside = near - (pixels.frame * pixels.height * pixels.width)[:, None]
    row = torch.div(inside, pixels.width, rounding_mode="floor")
    away = ((row - pixels.row[:, None]).square() + (inside - row * pixels.width - pixels.column[:, None]).square()).float().sqrt()
    return away / away.min(1, keepdim=True)[0].clamp(min=1.0)


def known_around(known: Tensor, wanted: Tensor) -> list[Tensor]:
    """Return the pyramid of nearest known positions for the unknown pixels; both N×H×W bool."""
    return nearest_known(known, wanted=wanted)
