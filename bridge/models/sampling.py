"""Foreground/background colour pairs for the unknown pixels: what is known grows, candidates are gathered around, the best pair is kept.

Lists run along the last axis (K×M, 3×M): on a CPU that is the difference between one and ten nanoseconds a value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

RINGS = ((0.0, 1, 0), (8.0, 3, 2), (20.0, 3, 3), (44.0, 4, 3))  # radius in pixels, places on it, level of the pyramid asked there
TURNS = 9  # neighbouring pixels look in so many different directions
GROWTH = 14  # a known pixel lends its class to alike unknown ones so near, in full-resolution pixels
GROWTH_STRIDE = 2  # every second pixel is asked
ALIKE = (6.0 / 255.0, 18.0 / 255.0)  # perceptual colour distances, each a guess of its own
FAR = 9.0  # more than any squared colour distance that counts
AT_ONCE = {"cpu": 1024}  # pixels whose pairs are tried together: so many that they stay in the cache
SHARED = (3, 10)  # radii in full-resolution pixels at which neighbours lend their pairs
SHARP = (1.0 / 255.0) ** 2  # squared error below which pairs count alike
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
    """One foreground/background pair per unknown pixel; foreground, background: 3×M; alpha, error: M, error in perceptual colour units."""

    foreground: Tensor
    background: Tensor
    alpha: Tensor
    error: Tensor


@dataclass(frozen=True)
class Candidates:
    """K known pixels for each unknown one: their places in the flattened batch and how far they are relative to the nearest; K×M."""

    place: Tensor
    away: Tensor


def unknown_pixels(wanted: Tensor) -> Pixels:
    """List the true pixels of N×H×W."""
    _, height, width = wanted.shape
    frame, row, column = torch.nonzero(wanted, as_tuple=True)
    return Pixels(frame, row, column, (frame * height + row) * width + column, height, width)


def perceptual_weight(colours: Tensor, linear: Tensor) -> Tensor:
    """Return the slope of a square-root encoding at each colour: 1 for display-referred ones.

    colours: 3×… ; linear: bool, broadcasting against the rest.
    """
    luma = (LUMA[0] * colours[0] + LUMA[1] * colours[1] + LUMA[2] * colours[2]).clamp_(min=0.0)
    return torch.where(linear, 1.0 / (2.0 * luma.sqrt_() + 0.1), 1.0)


def picked(table: Tensor, places: Tensor) -> Tensor:
    """Return values of a flat table at places of any shape."""
    return table.index_select(0, places.reshape(-1)).view(places.shape)


def gather_candidates(pixels: Pixels, sides: list[list[Tensor]], *, step: int) -> list[Candidates]:
    """Return for each side's pyramid of known positions those seen from K places around each unknown pixel."""
    found: list[list[Tensor]] = [[] for _ in sides]
    phase = pixels.row % 3 * 3 + pixels.column % 3
    for reach, count, number in RINGS:
        number = min(max(0, number - step + 1), len(sides[0]) - 1)
        height, width = sides[0][number].shape[-2:]
        for k in range(count):
            angle = [2.0 * math.pi * (k + turn / TURNS) / count for turn in range(TURNS)]
            down, across = (torch.tensor([round(reach / step * f(a)) for a in angle], device=phase.device) for f in (math.sin, math.cos))
            row = (pixels.row + down.index_select(0, phase)).clamp_(0, pixels.height - 1) >> number
            column = (pixels.column + across.index_select(0, phase)).clamp_(0, pixels.width - 1) >> number
            place = (pixels.frame * height + row) * width + column
            for side, levels in zip(found, sides, strict=True):
                side.append(levels[number].view(-1).index_select(0, place))
    return [_candidates(pixels, torch.stack([torch.where(seed < 0, seeds[0], seed) for seed in seeds])) for seeds in found]


def _candidates(pixels: Pixels, seeds: Tensor) -> Candidates:
    down, across = seeds >> 16, seeds & 65535
    start = (pixels.frame * (pixels.height * pixels.width)).to(torch.int32)
    away = (down - pixels.row.to(torch.int32)).square_() + (across - pixels.column.to(torch.int32)).square_()
    away = away.float().sqrt_()
    return Candidates(down * pixels.width + across + start, away / away.amin(0).clamp_(min=1.0))


def best_pairs(pixels: Pixels, colours: Tensor, weight: Tensor, foreground: list[Tensor], background: list[Tensor], *, step: int) -> Pairs:
    """Try every foreground candidate with every background candidate and keep the best.

    colours: 3×P of the whole batch; weight: M perceptual weights. The cost is the colour error plus the distances, relative to the
    nearest candidate's, plus a term against pairs that are hardly apart (after Gastal and Oliveira 2010, He et al. 2011).
    """
    fore, back = gather_candidates(pixels, [foreground, background], step=step)
    some = AT_ONCE.get(colours.device.type, 1 << 18)
    parts = (x.split(some, -1) for x in (pixels.place, weight, fore.place, back.place, fore.away, back.away))
    pairs = [_best(colours, *part) for part in zip(*parts, strict=True)]
    return Pairs(*(torch.cat(rows, -1) for rows in zip(*pairs, strict=True)))


def _best(
    colours: Tensor, place: Tensor, weight: Tensor, near_f: Tensor, near_b: Tensor, far_f: Tensor, far_b: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return foreground, background, alpha and error of the cheapest pair of each pixel."""
    f, b = ([(picked(c, near) - c.index_select(0, place)) * weight for c in colours] for near in (near_f, near_b))
    ff, bb = (x * x + y * y + z * z for x, y, z in (f, b))
    fb = f[0][:, None] * b[0]
    fb.addcmul_(f[1][:, None], b[1]).addcmul_(f[2][:, None], b[2])
    lean = bb - fb
    apart = (ff[:, None] - fb).add_(lean).clamp_(min=0.0)
    alpha = (lean / (apart + 1e-5)).clamp_(0.0, 1.0)
    squared = (alpha * apart).sub_(lean, alpha=2.0).mul_(alpha).add_(bb).clamp_(min=0.0)
    cost = squared.sqrt().mul_(255.0).add_(0.6 * far_f[:, None]).add_(0.6 * far_b)
    cost = cost.add_(apart.sqrt_().mul_(2.5).add_(0.05).reciprocal_()).flatten(0, 1)
    number = torch.arange(len(cost), device=cost.device, dtype=torch.float32)[:, None]
    best = torch.where(cost == cost.amin(0), number, len(cost) - 1.0).amin(0).long()
    count = len(near_b)
    pick_f, pick_b = near_f.gather(0, (best // count)[None])[0], near_b.gather(0, (best % count)[None])[0]
    chosen = [t.flatten(0, 1).gather(0, best[None])[0] for t in (alpha, squared)]
    return colours.index_select(1, pick_f), colours.index_select(1, pick_b), chosen[0], chosen[1].sqrt_()


def grown(
    foreground: Tensor, background: Tensor, colours: Tensor, weight: Tensor, *, alike: Sequence[float], step: int
) -> list[tuple[Tensor, Tensor]]:
    """Let known pixels lend their class to unknown ones near them that look alike (known-region expansion, Gastal and Oliveira 2010).

    foreground, background: N×H×W bool, known; colours: 3×P and weight: P of the whole batch. Returns both, grown, for each perceptual
    colour distance `alike`; each unknown pixel joins the class of which it found the closer colour, if that is close enough.
    """
    pixels = unknown_pixels(~(foreground | background))
    if not pixels.place.numel():
        return [(foreground, background)] * len(alike)
    border = int(GROWTH / step)
    wide = pixels.width + 2 * border
    kind = F.pad(FAR * (foreground.float() - background.float()), (border,) * 4).view(-1)
    table = [F.pad(c.view(foreground.shape), (border,) * 4).view(-1) for c in colours]
    place = (pixels.frame * (pixels.height + 2 * border) + pixels.row + border) * wide + pixels.column + border
    offsets = torch.tensor([y * wide + x for y, x in _disc(border, max(1, round(GROWTH_STRIDE / step)))], device=place.device)[:, None]
    some = AT_ONCE.get(colours.device.type, 1 << 18)
    apart = [_lent(p, w, offsets, table, kind) for p, w in zip(place.split(some), weight[pixels.place].split(some), strict=True)]
    near_f, near_b = (torch.cat(side) for side in zip(*apart, strict=True))

    def joined(known: Tensor, lent: Tensor) -> Tensor:
        result = known.flatten().clone()
        result[pixels.place] = lent
        return result.view_as(known)

    closer = near_f <= near_b
    return [(joined(foreground, (near_f < a * a) & closer), joined(background, (near_b < a * a) & ~closer)) for a in alike]


def _lent(place: Tensor, weight: Tensor, offsets: Tensor, table: list[Tensor], kind: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least squared colour distances to the foreground and to the background asked; kind: ±FAR where known, 0 elsewhere."""
    asked = place + offsets
    squared = torch.zeros((), device=weight.device)
    for colour in table:
        apart = picked(colour, asked).sub_(colour.index_select(0, place)).mul_(weight)
        squared = apart.square_() if colour is table[0] else squared.add_(apart.square_())
    lent = picked(kind, asked)
    return (squared - lent).amin(0) + FAR, squared.add_(lent).amin(0) + FAR


def _disc(radius: int, stride: int) -> list[tuple[int, int]]:
    """Return offsets in a disc: every `stride`-th on a chequer, and all of the nearest."""
    reach = range(-radius, radius + 1)
    inside = [(y, x) for y in reach for x in reach if 0 < y * y + x * x <= radius * radius]
    return [(y, x) for y, x in inside if y * y + x * x <= 2 or (y % stride == 0 and x % stride == 0 and (y + x) // stride % 2 == 0)]


def shared(pixels: Pixels, colours: Tensor, weight: Tensor, pairs: Pairs, *, step: int) -> Pairs:
    """Let every pixel try its neighbours' pairs on its own colour and average all by how well they explain it.

    After the sharing of Gastal and Oliveira 2010, with weights in place of a choice of three.
    """
    border = max(1, SHARED[-1] // step)
    wide = pixels.width + 2 * border
    place = (pixels.frame * (pixels.height + 2 * border) + pixels.row + border) * wide + pixels.column + border
    frames = int(pixels.frame[-1]) + 1
    slot = torch.full((frames * (pixels.height + 2 * border) * wide,), -1, dtype=torch.int32, device=place.device)
    slot[place] = torch.arange(len(place), dtype=torch.int32, device=place.device)
    offsets = torch.tensor([y * wide + x for y, x in _star(step)], device=place.device)[:, None]
    some = AT_ONCE.get(colours.device.type, 1 << 18)
    parts = (x.split(some, -1) for x in (place, pixels.place, weight))
    found = [_averaged(colours, pairs, slot, offsets, *part) for part in zip(*parts, strict=True)]
    return Pairs(*(torch.cat(rows, -1) for rows in zip(*found, strict=True)))


def _star(step: int) -> list[tuple[int, int]]:
    """Return the pixel itself and eight offsets on each ring."""
    rings = sorted({max(1, reach // step) for reach in SHARED})
    return [(0, 0)] + [
        (r * y, r * x) if y * x == 0 else (round(0.75 * r) * y, round(0.75 * r) * x)
        for r in rings
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if y or x
    ]


def _averaged(
    colours: Tensor, pairs: Pairs, slot: Tensor, offsets: Tensor, where: Tensor, place: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    theirs = picked(slot, where + offsets)
    there = (theirs >= 0).float()
    theirs = theirs.clamp_(min=0)
    here = colours.index_select(1, place)
    fore, back = (torch.stack([picked(c, theirs) for c in side]) for side in (pairs.foreground, pairs.background))
    alpha, squared = _projected(here[:, None] - back, fore - back, weight * weight)
    share = there / (squared + SHARP)
    share /= share.sum(0)
    fore, back = (fore * share).sum(1), (back * share).sum(1)
    span, rest = (fore - back) * weight, (here - back) * weight
    length = span.square().sum(0)
    fit = ((span * rest).sum(0) / (length + 1e-3)).clamp_(0.0, 1.0)
    sure = (6.0 * length.sqrt()).clamp_(max=1.0)
    alpha = torch.lerp((alpha * share).sum(0), fit, sure)
    return fore, back, alpha, (rest - alpha * span).square().sum(0).sqrt_()


def _projected(rest: Tensor, span: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far along each span the rest reaches, 0..1, and the squared perceptual error left; rest, span: 3×K×M."""
    apart = (span[0] * span[0]).addcmul_(span[1], span[1]).addcmul_(span[2], span[2])
    lean = (span[0] * rest[0]).addcmul_(span[1], rest[1]).addcmul_(span[2], rest[2])
    alpha = (lean / (apart + 1e-5 / scale)).clamp_(0.0, 1.0)
    squared = (rest[0] * rest[0]).addcmul_(rest[1], rest[1]).addcmul_(rest[2], rest[2])
    return alpha, squared.add_((alpha * apart).sub_(lean, alpha=2.0).mul_(alpha)).clamp_(min=0.0).mul_(scale)
