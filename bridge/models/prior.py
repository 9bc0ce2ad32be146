"""The colour prior: the best nearby foreground and background colours of every unknown pixel and the alpha they imply."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .guided import box, guided_plane
from .nearest import BACKGROUND, FOREGROUND, UNKNOWN, distances
from .sampling import Pixels, best_pairs, grown, known_around, perceptual_weight, unknown_pixels

__all__ = ["Prior", "colour_prior", "distances"]

MARGIN = 64  # pixels around the unknown region that are searched
UNLIKE = 0.05  # part of the unknown region that stands for a class the trimap does not have
ERROR_SCALE = 32.0  # a perceptual colour error of 1/32 costs a pair's trust a factor e
SHARE = 2  # pixels around over which pairs are averaged
FOLLOW, EASE = 8, 1e-5  # radius and regularisation of the guided filter


@dataclass(frozen=True)
class Prior:
    """What colours alone say. All float32, N×C×H×W.

    alpha: 1 channel, 0..1, exactly 0 and 1 where the trimap is certain.
    foreground, background: 3 channels, same domain as the plate's colours; the plate's own colour where the trimap is certain.
    confidence: 1 channel, 0..1, how well the pair explains the pixel; 1 where the trimap is certain.
    separation: 1 channel, 0..1, perceptual colour distance of the pair; 0 where the trimap is certain.
    """

    alpha: Tensor
    foreground: Tensor
    background: Tensor
    confidence: Tensor
    separation: Tensor


def colour_prior(colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int = 1) -> Prior:
    """Sample colour pairs for every unknown pixel, keep the best, smooth them along the plate.

    colours: N×3×H×W float32, ≥ 0, in the domain in which the plate mixes (scene-linear, highlights unclipped, or display-referred 0..1).
    classes: N×1×H×W integer, 0 background, 1 unknown, 2 foreground. linear: whether `colours` are scene-linear, one bool or N bools;
    colour errors are then weighed by the slope of a square-root encoding. step: 2 searches at half resolution.
    A frame without certain foreground or background borrows its least alike unknown colours in their place.
    """
    linear = torch.as_tensor(linear, device=colours.device).expand(colours.shape[0])
    if not bool((classes == UNKNOWN).any()):
        certain = (classes == FOREGROUND).float()
        return Prior(certain, colours, colours, torch.ones_like(certain), torch.zeros_like(certain))
    rows, columns = _around(classes, step=step)
    near, marks = colours[..., rows, columns], classes[..., rows, columns]
    if step > 1:
        near, marks = F.avg_pool2d(_even(near, step), step), _agreed(_even(marks.float(), step), step)
    field = _searched(near, marks, linear, step=step)
    return _finished(colours, classes, linear, field, origin=(rows.start, columns.start), step=step)


def _around(classes: Tensor, *, step: int) -> tuple[slice, slice]:
    """Return the part of the frame that is searched: the unknown region and what is near it, or all where that would lose a class."""
    height, width = classes.shape[-2:]
    unknown = classes == UNKNOWN
    part = []
    for axis, length in ((3, height), (2, width)):
        inside = unknown.any(axis).flatten(0, -2).any(0).nonzero()
        low, high = int(inside[0]) - MARGIN, int(inside[-1]) + 1 + MARGIN
        part.append(slice(max(0, low) // step * step, min(length, high)))
    near = classes[..., part[0], part[1]]
    kept = all(torch.equal((near == k).flatten(1).any(1), (classes == k).flatten(1).any(1)) for k in (BACKGROUND, FOREGROUND))
    return (part[0], part[1]) if kept else (slice(0, height), slice(0, width))


def _even(values: Tensor, step: int) -> Tensor:
    height, width = values.shape[-2:]
    return F.pad(values, (0, -width % step, 0, -height % step), mode="replicate")


def _agreed(classes: Tensor, step: int) -> Tensor:
    """Return N×1×h×w classes of squares of `step` pixels, certain only where all agree; classes: float."""
    high, low = F.max_pool2d(classes, step), -F.max_pool2d(-classes, step)
    return torch.where(high == low, high, float(UNKNOWN)).to(torch.uint8)


def _completed(flat: Tensor, classes: Tensor, linear: Tensor) -> tuple[Tensor, Tensor]:
    """Return the known foreground and background, N×H×W bool, never empty in a frame that has unknown pixels."""
    known_f, known_b = classes == FOREGROUND, classes == BACKGROUND
    lacking = ((classes == UNKNOWN).flatten(1).any(1) & ~(known_f.flatten(1).any(1) & known_b.flatten(1).any(1))).nonzero()[:, 0]
    for n in lacking.tolist():
        view = flat.view(*classes.shape, 3)[n]
        view = view.clamp(min=0.0).sqrt() if bool(linear[n]) else view
        if not known_f[n].any() and not known_b[n].any():
            known_b[n] = _border(known_b[n])
        if not known_f[n].any():
            known_f[n] = _least_alike(view, known_b[n], classes[n] == UNKNOWN)
        if not known_b[n].any():
            known_b[n] = _least_alike(view, known_f[n], classes[n] == UNKNOWN)
    return known_f, known_b


def _border(frame: Tensor) -> Tensor:
    border = torch.ones_like(frame)
    border[1:-1, 1:-1] = False
    return border


def _least_alike(view: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
    """Return the unknown pixels whose colour is farthest from the mean known colour; view: H×W×3; known, unknown, result: H×W bool."""
    middle = view[known].mean(0)
    far = torch.where(unknown, (view - middle).norm(dim=-1), -1.0).flatten()
    count = max(1, int(UNLIKE * int(unknown.sum())))
    chosen = torch.zeros_like(far, dtype=torch.bool)
    chosen[torch.sort(far, descending=True, stable=True)[1][:count]] = True
    return chosen.view_as(unknown)


def _searched(colours: Tensor, classes: Tensor, linear: Tensor, *, step: int) -> Tensor:
    """Search pairs for the unknown pixels and smooth them; return N×10×h×w: mean foreground 3, mean background 3, slope 3, offset 1.

    Alpha is slope · guide + offset, the guide being the colours as `_guide` shows them.
    """
    unknown = classes[:, 0] == UNKNOWN
    flat = colours.permute(0, 2, 3, 1).reshape(-1, 3)
    known_f, known_b = _completed(flat, classes[:, 0], linear)
    weight = perceptual_weight(flat, linear.repeat_interleave(unknown[0].numel()))
    grown_f, grown_b = grown(known_f, known_b, flat, weight, step=step)
    pixels = unknown_pixels(unknown & ~(grown_f | grown_b))
    certain = (grown_f & ~grown_b).float()[:, None]
    fore = colours.permute(0, 2, 3, 1).reshape(-1, 3).clone()
    back, alpha, trust = fore.clone(), certain.flatten().clone(), torch.ones_like(certain).flatten()
    if pixels.place.numel():
        wanted = unknown & ~(grown_f | grown_b)
        pairs = best_pairs(pixels, flat, weight[pixels.place], known_around(grown_f, wanted), known_around(grown_b, wanted), step=step)
        fore[pixels.place], back[pixels.place], alpha[pixels.place] = pairs.foreground, pairs.background, pairs.alpha
        trust[pixels.place] = torch.exp(-pairs.error * ERROR_SCALE)
    open_ = torch.zeros_like(alpha)
    open_[pixels.place] = 1.0
    maps = [m.view(*unknown.shape, -1).permute(0, 3, 1, 2) for m in (fore, back, alpha, trust, open_)]
    return _smoothed(_guide(colours, linear), colours, linear, *maps, step=step)


def _guide(colours: Tensor, linear: Tensor) -> Tensor:
    return torch.where(linear.view(-1, 1, 1, 1), colours.clamp(min=0.0).sqrt(), colours)


def _smoothed(
    guide: Tensor, colours: Tensor, linear: Tensor, fore: Tensor, back: Tensor, alpha: Tensor, trust: Tensor, open_: Tensor, *, step: int
) -> Tensor:
    """Average the pairs by trust, project every colour again, and fit alpha to the guide."""
    radius = max(1, SHARE // step)
    share_f, share_b = trust * (0.05 + alpha) + 1e-6, trust * (1.05 - alpha) + 1e-6
    sums = box(torch.cat([fore * share_f, share_f, back * share_b, share_b, alpha], 1), radius)
    mean_f, mean_b = sums[:, :3] / sums[:, 3:4], sums[:, 4:7] / sums[:, 7:8]
    scale = perceptual_weight(colours.permute(0, 2, 3, 1), linear.view(-1, 1, 1)).unsqueeze(1)
    span = (mean_f - mean_b) * scale
    length = span.square().sum(1, keepdim=True)
    fit = (((colours - mean_b) * scale * span).sum(1, keepdim=True) / (length + 1e-3)).clamp(0.0, 1.0)
    sure = (6.0 * length.sqrt()).clamp(max=1.0)
    raw = torch.where(open_ > 0, sure * fit + (1.0 - sure) * sums[:, 8:9], alpha)
    trusted = torch.where(open_ > 0, 0.05 + trust * sure, 1.0)
    return torch.cat([mean_f, mean_b, guided_plane(guide, raw, trusted, radius=FOLLOW // step, ease=EASE)], 1)


def _finished(colours: Tensor, classes: Tensor, linear: Tensor, field: Tensor, *, origin: tuple[int, int], step: int) -> Prior:
    """Read the searched field, which begins at `origin`, at every unknown pixel of the full frame and explain its own colour by it."""
    pixels = unknown_pixels(classes[:, 0] == UNKNOWN)
    rows = _read(field, pixels, origin=origin, step=step)
    flat = colours.permute(0, 2, 3, 1).reshape(-1, 3)
    here, light = flat[pixels.place], linear[pixels.frame]
    shown = torch.where(light[:, None], here.clamp(min=0.0).sqrt(), here)
    alpha = ((rows[:, 6:9] * shown).sum(1) + rows[:, 9]).clamp(0.0, 1.0)
    scale = perceptual_weight(here, light)[:, None]
    span = (rows[:, :3] - rows[:, 3:6]) * scale
    error = ((here - rows[:, 3:6]) * scale - alpha[:, None] * span).norm(dim=1)
    certain = (classes == FOREGROUND).float()

    def landed(into: Tensor, values: Tensor) -> Tensor:
        result = into.clone()
        result[pixels.frame, :, pixels.row, pixels.column] = values.view(len(values), -1)
        return result

    return Prior(
        landed(certain, alpha),
        landed(colours, rows[:, :3]),
        landed(colours, rows[:, 3:6]),
        landed(torch.ones_like(certain), torch.exp(-error * 16.0)),
        landed(torch.zeros_like(certain), span.norm(dim=1).clamp(max=1.0)),
    )


def _read(field: Tensor, pixels: Pixels, *, origin: tuple[int, int], step: int) -> Tensor:
    """Return M×10, a field that begins at `origin` read at full-resolution pixels; bilinearly where it is smaller by `step`."""
    height, width = field.shape[-2:]
    row, column = pixels.row - origin[0], pixels.column - origin[1]
    if step == 1:
        return field.permute(0, 2, 3, 1)[pixels.frame, row, column]
    y, x = ((p + 0.5) / (step * n) * 2.0 - 1.0 for p, n in ((row, height), (column, width)))
    grid = torch.stack([x, y], -1)
    rows = []
    for n in range(field.shape[0]):
        places = grid[pixels.frame == n].view(1, 1, -1, 2)
        rows.append(F.grid_sample(field[n : n + 1], places, padding_mode="border", align_corners=False)[0, :, 0].T)
    return torch.cat(rows)
