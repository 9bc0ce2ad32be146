"""Foreground/background colour pairs for the unknown pixels: gathered around, all tried, the best kept, then shared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .nearest import nearest_known

RINGS = ((0.0, 1, 0), (8.0, 4, 2), (30.0, 5, 3))  # radius in pixels, places on it, level of the pyramid asked there
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


def gather_candidates(pixels: Pixels, levels: list[Tensor]) -> Tensor:
    """Return M×K positions (in the flattened batch) of known pixels seen from K places around each unknown one."""
    size = pixels.height * pixels.width
    turn = ((pixels.row % 3) * 3 + pixels.column % 3).float() * (2.0 * math.pi / 9.0)
    found = []
    for radius, count, number in RINGS:
        level = levels[min(number, len(levels) - 1)]
        cell = 2 ** min(number, len(levels) - 1)
        for k in range(count):
            angle = turn / count + 2.0 * math.pi * k / count
            row = (pixels.row + (radius * angle.sin()).round().long()).clamp(0, pixels.height - 1) // cell
            column = (pixels.column + (radius * angle.cos()).round().long()).clamp(0, pixels.width - 1) // cell
            found.append(level[pixels.frame, row, column])
    return torch.stack(found, 1) + (pixels.frame * size)[:, None]


def best_pairs(pixels: Pixels, colours: Tensor, weight: Tensor, foreground: list[Tensor], background: list[Tensor]) -> Pairs:
    """Try every foreground candidate with every background candidate and keep the best.

    colours: P×3 of the whole batch; weight: M perceptual weights. The cost is the colour error plus the distances, relative to the
    nearest candidate's, plus a term against pairs that are hardly apart (after Gastal and Oliveira 2010, He et al. 2011).
    """
    near_f, near_b = gather_candidates(pixels, foreground), gather_candidates(pixels, background)
    here = colours[pixels.place]
    f, b = (colours[near] - here[:, None] for near in (near_f, near_b))
    ff, bb, fb = (f * f).sum(-1)[:, :, None], (b * b).sum(-1)[:, None], f @ b.transpose(1, 2)
    apart = (ff + bb - 2.0 * fb).clamp(min=0.0) * weight.square()[:, None, None]
    alpha, squared = _projected(bb * weight.square()[:, None, None], fb * weight.square()[:, None, None], apart)
    cost = squared.sqrt() * 255.0 + 0.6 * (_relative(pixels, near_f)[:, :, None] + _relative(pixels, near_b)[:, None])
    cost = cost + 2.0 / (5.0 * apart.sqrt() + 0.1)
    best = cost.flatten(1).argmin(1, keepdim=True)
    count = near_b.shape[1]
    pick = [near.gather(1, which)[:, 0] for near, which in ((near_f, best // count), (near_b, best % count))]
    chosen = [t.flatten(1).gather(1, best)[:, 0] for t in (alpha, squared)]
    return Pairs(colours[pick[0]], colours[pick[1]], chosen[0], chosen[1].sqrt())


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
