"""What the matting network is shown: the plate's view, the trimap, distances to what is known, and the colour prior."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .nearest import BACKGROUND, FOREGROUND, UNKNOWN
from .prior import GUESSES, Explained, averaged, distances, explained, plain_pixels, scarce

CHANNELS = 18
UNKNOWN_CHANNEL = 4  # 1 where the trimap is unknown
PRIOR_ALPHA, CONFIDENCE = 8, 15  # channels of the prior's alpha and of how far it is to be trusted
FIRST_LOOK = 17  # channel of what a first look said
DISTANCE_LIMIT = 64.0  # pixels; farther is all the same


KNEE, BRIGHTEST = 0.8, 16.0  # scene-linear: the highlight roll-off begins at the knee and reaches 1 at the brightest
SHOULDER = 30.745957144086727  # k of the shoulder: solves log1p(k · (BRIGHTEST - KNEE)) / k = 1 - KNEE


def encoded(colours: Tensor, linear: Tensor | bool) -> Tensor:
    """Return colours of the mixing domain as the view shows them, 0..1.

    Scene-linear ones pass the logarithmic highlight roll-off and the sRGB curve (IEC 61966-2-1), as in `bridge.imaging.colour`;
    display-referred ones stay as they are. colours: N×…; linear: one bool, or N.
    """
    over = torch.log1p(SHOULDER * (colours - KNEE).clamp(0.0, BRIGHTEST - KNEE)) / SHOULDER
    rolled = colours.clamp(0.0, KNEE) + over
    curve = torch.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
    which = torch.as_tensor(linear, device=colours.device).view(-1, *[1] * (colours.ndim - 1))
    return torch.where(which, curve, colours.clamp(0.0, 1.0))


def matting_inputs(view: Tensor, colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int = 1) -> Tensor:
    """Return N×18×H×W float32 inputs of the matting network.

    view: N×3×H×W, 0..1, the network's view; colours: N×3×H×W in the domain in which the plate mixes; classes: N×1×H×W, 0 background,
    1 unknown, 2 foreground; linear: whether `colours` are scene-linear; step: see `explained`.
    Channels: view 3, background / unknown / foreground 3, distances to background and foreground 2, the prior's alpha 1,
    foreground 3, background 3, confidence 1, separation 1, and what a first look said 1: from -1, clear, to 1, opaque, and 0 where none
    was taken or the trimap is certain.
    """
    inputs = _unexplained(view, classes, step=step)
    _explain(inputs, colours, classes, linear=linear, step=step)
    return inputs


def _unexplained(view: Tensor, classes: Tensor, *, step: int) -> Tensor:
    """Return the inputs of which the prior has said nothing yet: as it has them where the trimap is certain."""
    inputs = view.new_empty(len(view), CHANNELS, *view.shape[2:])
    inputs[:, 0:3] = view
    for k in range(3):
        inputs[:, 3 + k] = classes[:, 0] == k
    for k, away in enumerate(_distances(classes, step=step), 6):
        inputs[:, k] = away[:, 0].log1p_().div_(math.log1p(DISTANCE_LIMIT))
    inputs[:, PRIOR_ALPHA] = inputs[:, 5]
    inputs[:, 9:12], inputs[:, 12:15] = view, view
    inputs[:, 15], inputs[:, 16], inputs[:, FIRST_LOOK] = 1.0, 0.0, 0.0
    return inputs


def looked_twice(
    view: Tensor, colours: Tensor, classes: Tensor, *, linear: Tensor | bool, look: Callable[[Tensor], Tensor], step: int = 1
) -> Tensor:
    """Return `matting_inputs`; frames whose trimap has hardly any certain foreground or background are looked at twice.

    look: takes inputs and returns alpha, N×1×H×W float32, of each frame by itself. What it calls plainly opaque or clear then stands for
    the class that is scarce, whose colours the prior could only guess at first; and the network is shown what it said, which tells it how
    well informed the prior now is. Each of the prior's guesses has a first look of its own, and the network is shown the mean of
    what came of them. Other arguments as for `matting_inputs`.
    """
    inputs = _unexplained(view, classes, step=step)
    again = scarce(classes, FOREGROUND) | scarce(classes, BACKGROUND)
    for which, explain in ((~again, _explain), (again, functools.partial(_explain_twice, look=look))):
        if bool(which.any()):
            chosen: Tensor | slice = slice(None) if bool(which.all()) else which
            part, light = inputs[chosen], linear if isinstance(linear, bool) else linear[chosen]
            explain(part, colours[chosen], classes[chosen], linear=light, step=step)
            inputs[chosen] = part
    return inputs


def _explain(inputs: Tensor, colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int) -> None:
    """Ask the prior about the unknown pixels and set what it says."""
    _land(explained(colours, classes, linear=linear, step=step), inputs, linear=linear)


def _explain_twice(
    inputs: Tensor, colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int, look: Callable[[Tensor], Tensor]
) -> None:
    """Set what the prior says once it has been told what first looks call plain, and what those looks said."""
    told, looks = [], []
    for guess in range(GUESSES):
        ask = functools.partial(explained, colours, classes, linear=linear, step=step, guess=guess)
        _land(ask(), inputs, linear=linear)
        looks.append(look(inputs))
        told.append(ask(plain=plain_pixels(classes, looks[-1])))
    _land(averaged(told), inputs, linear=linear)
    alpha = torch.stack(looks).mean(0)
    inputs[:, FIRST_LOOK] = torch.where(classes == UNKNOWN, 2.0 * alpha - 1.0, 0.0)[:, 0]


def _land(prior: Explained, inputs: Tensor, *, linear: Tensor | bool) -> None:
    """Set what the prior says of the unknown pixels, its colours as the view shows them."""
    light = linear if isinstance(linear, bool) else linear[prior.pixels.frame]
    pair = [encoded(side.t(), light).t() for side in (prior.foreground, prior.background)]
    prior.land(inputs, torch.cat([prior.alpha[None], *pair, prior.confidence[None], prior.separation[None]]), channel=PRIOR_ALPHA)


def _distances(classes: Tensor, *, step: int) -> list[Tensor]:
    """Return N×1×H×W distances to certain background and foreground; with a step measured on every so manieth pixel and enlarged."""
    found = distances(classes[..., ::step, ::step], limit=DISTANCE_LIMIT / step)
    return [d if step == 1 else step * F.interpolate(d, size=classes.shape[-2:], mode="bilinear") for d in found]
