"""What the matting network is shown: the plate's view, the trimap, distances to what is known, and the colour prior."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .prior import colour_prior, distances

CHANNELS = 17
PRIOR_ALPHA = 8  # channel of the prior's alpha
DISTANCE_LIMIT = 64.0  # pixels; farther is all the same


KNEE, BRIGHTEST = 0.8, 16.0  # scene-linear: the highlight roll-off begins at the knee and reaches 1 at the brightest
SHOULDER = 30.745957144086727  # k of the shoulder: solves log1p(k · (BRIGHTEST - KNEE)) / k = 1 - KNEE


def encoded(colours: Tensor, linear: Tensor | bool) -> Tensor:
    """Return colours of the mixing domain as the view shows them, 0..1.

    Scene-linear ones pass the logarithmic highlight roll-off and the sRGB curve (IEC 61966-2-1), as in `bridge.imaging.colour`;
    display-referred ones stay as they are.
    """
    over = torch.log1p(SHOULDER * (colours - KNEE).clamp(0.0, BRIGHTEST - KNEE)) / SHOULDER
    rolled = colours.clamp(0.0, KNEE) + over
    curve = torch.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
    shown = colours.clamp(0.0, 1.0)
    if isinstance(linear, bool):
        return curve if linear else shown
    return torch.where(linear.view(-1, 1, 1, 1), curve, shown)


def matting_inputs(view: Tensor, colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int = 1) -> Tensor:
    """Return N×17×H×W float32 inputs of the matting network.

    view: N×3×H×W, 0..1, the network's view; colours: N×3×H×W in the domain in which the plate mixes; classes: N×1×H×W, 0 background,
    1 unknown, 2 foreground; linear: whether `colours` are scene-linear; step: see `colour_prior`.
    Channels: view 3, background / unknown / foreground 3, distances to background and foreground 2, the prior's alpha 1,
    foreground 3, background 3, confidence 1, separation 1.
    """
    prior = colour_prior(colours, classes, linear=linear, step=step)
    known = torch.cat([(classes == k).float() for k in range(3)], 1)
    near = [torch.log1p(d) / math.log1p(DISTANCE_LIMIT) for d in _distances(classes, step=step)]
    pairs = [_shown(view, side, classes, linear) for side in (prior.foreground, prior.background)]
    return torch.cat([view, known, *near, prior.alpha, *pairs, prior.confidence, prior.separation], 1)


def _distances(classes: Tensor, *, step: int) -> list[Tensor]:
    """Return N×1×H×W distances to certain background and foreground; with a step measured on every so manieth pixel and enlarged."""
    found = distances(classes[..., ::step, ::step], limit=DISTANCE_LIMIT / step)
    return [d if step == 1 else step * F.interpolate(d, size=classes.shape[-2:], mode="bilinear") for d in found]


def _shown(view: Tensor, colours: Tensor, classes: Tensor, linear: Tensor | bool) -> Tensor:
    """Return colours of the mixing domain as the view shows them where the trimap is unknown, the view itself elsewhere."""
    frame, row, column = (classes[:, 0] == 1).nonzero(as_tuple=True)
    shown = view.clone()
    light = linear if isinstance(linear, bool) else linear[frame]
    shown[frame, :, row, column] = encoded(colours[frame, :, row, column][..., None, None], light)[..., 0, 0]
    return shown
