"""The colour prior: the best nearby foreground and background colours of every unknown pixel and the alpha they imply."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .guided import box, guided
from .nearest import BACKGROUND, FOREGROUND, UNKNOWN, distances
from .sampling import Pairs, Pixels, best_pairs, known_around, perceptual_weight, unknown_pixels

__all__ = ["Prior", "colour_prior", "distances"]

UNLIKE = 0.05  # part of the unknown region that stands for a class the trimap does not have


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
    unknown = classes[:, 0] == UNKNOWN
    pixels = unknown_pixels(unknown)
    certain = (classes == FOREGROUND).float()
    if pixels.place.numel() == 0:
        return Prior(certain, colours, colours, torch.ones_like(certain), torch.zeros_like(certain))
    flat = colours.permute(0, 2, 3, 1).reshape(-1, 3)
    known_f, known_b = _completed(flat, classes[:, 0], linear)
    weight = perceptual_weight(flat[pixels.place], linear[pixels.frame])
    pairs = best_pairs(pixels, flat, weight, known_around(known_f, unknown), known_around(known_b, unknown))
    return _smoothed(colours, certain, pixels, pairs, linear)


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


def _smoothed(colours: Tensor, certain: Tensor, pixels: Pixels, pairs: Pairs, linear: Tensor) -> Prior:
    unknown = torch.zeros_like(certain)
    unknown.view(-1)[pixels.place] = 1.0
    alpha, fore, back = certain.clone(), colours.permute(0, 2, 3, 1).contiguous().clone(), colours.permute(0, 2, 3, 1).contiguous().clone()
    trust = torch.ones_like(certain)
    alpha.view(-1)[pixels.place] = pairs.alpha
    fore.view(-1, 3)[pixels.place] = pairs.foreground
    back.view(-1, 3)[pixels.place] = pairs.background
    trust.view(-1)[pixels.place] = torch.exp(-pairs.error * 32.0)
    fore, back = fore.permute(0, 3, 1, 2), back.permute(0, 3, 1, 2)
    share_f, share_b = trust * (0.05 + alpha) + 1e-6, trust * (1.05 - alpha) + 1e-6
    mean_f, mean_b = box(fore * share_f, 2) / box(share_f, 2), box(back * share_b, 2) / box(share_b, 2)
    scale = perceptual_weight(colours.permute(0, 2, 3, 1), linear.view(-1, 1, 1)).unsqueeze(1)
    span = (mean_f - mean_b) * scale
    length = span.square().sum(1, keepdim=True)
    fit = (((colours - mean_b) * scale * span).sum(1, keepdim=True) / (length + 1e-3)).clamp(0.0, 1.0)
    sure = (6.0 * length.sqrt()).clamp(max=1.0)
    raw = torch.where(unknown > 0, sure * fit + (1.0 - sure) * box(alpha, 2), certain)
    guide = torch.where(linear.view(-1, 1, 1, 1), colours.clamp(min=0.0).sqrt(), colours)
    out = guided(guide, raw, torch.where(unknown > 0, 0.05 + trust * sure, 1.0), radius=8, ease=1e-4).clamp(0.0, 1.0)
    fitted = torch.where(unknown > 0, out, certain)
    error = ((colours - mean_b) * scale - fitted * span).norm(dim=1, keepdim=True)
    return Prior(
        fitted,
        torch.where(unknown > 0, mean_f, colours),
        torch.where(unknown > 0, mean_b, colours),
        torch.where(unknown > 0, torch.exp(-error * 16.0), 1.0),
        torch.where(unknown > 0, length.sqrt().clamp(max=1.0), 0.0),
    )
