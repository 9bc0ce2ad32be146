"""Compositing with exactly known parts: layers are warped premultiplied, averaged over the shutter, and laid over each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST, MOST = 1.0 / 1024, 1023.0 / 1024  # alpha beyond these is 0 or 1
LEVELS = 5


@dataclass(frozen=True)
class Parts:
    """premultiplied: N×3×H×W, alpha: N×1×H×W, behind: N×3×H×W, all in the domain in which the plate mixes."""

    premultiplied: Tensor
    alpha: Tensor
    behind: Tensor


def sampled(layers: Tensor, grid: Tensor, *, folded: Tensor | bool, instants: int) -> Tensor:
    """Warp layers N×C×h×w by a grid N×K×H×W×2 and average each run of `instants`: N×K/instants×C×H×W.

    folded (N bool, or for all): what lies outside mirrors the layer; else it is empty.
    """
    n, k, height, width, _ = grid.shape
    places, padding = grid, "reflection" if bool(torch.as_tensor(folded).all()) else "zeros"
    if padding == "zeros" and bool(torch.as_tensor(folded).any()):
        inner = 1 - 1 / torch.tensor([layers.shape[-1], layers.shape[-2]], device=layers.device)
        mirrored = (((grid + 1).remainder(4) - 2).abs() - 1).maximum(-inner).minimum(inner)
        places = torch.where(torch.as_tensor(folded).view(-1, 1, 1, 1, 1), mirrored, grid)
    found = F.grid_sample(layers, places.reshape(n, k * height, width, 2), mode="bilinear", padding_mode=padding, align_corners=False)
    frames = found.view(n, -1, k // instants, instants, height, width)
    return (frames.mean(3) if instants > 1 else frames[:, :, :, 0]).transpose(1, 2)


def over(upper: Tensor, lower: Tensor) -> Tensor:
    """Lay premultiplied RGBA over premultiplied RGBA, both ...×4×H×W (Porter and Duff 1984)."""
    return upper + (1 - upper[..., 3:, :, :]) * lower


def occluded(parts: Parts, occluder: Tensor) -> Parts:
    """Put premultiplied RGBA N×4×H×W, which does not belong to the matte, in front; behind then holds all that is not foreground."""
    clear = 1 - occluder[:, 3:]
    alpha = parts.alpha * clear
    rest = occluder[:, :3] + clear * (1 - parts.alpha) * parts.behind
    behind = torch.where(1 - alpha > 1e-4, rest / (1 - alpha).clamp(min=1e-4), parts.behind)
    return Parts(parts.premultiplied * clear, alpha, behind)


def softened(parts: Parts, amount: Tensor) -> Parts:
    """Blur what a lens blurs, alpha with it, by a binomial of 3×3 mixed in by `amount`, N."""
    joined = torch.cat([parts.premultiplied, parts.alpha, parts.behind], 1)
    joined = torch.lerp(joined, binomial(joined), amount.view(-1, 1, 1, 1))
    return Parts(joined[:, :3], joined[:, 3:4], joined[:, 4:])


def binomial(images: Tensor) -> Tensor:
    """Blur N×C×H×W by 1 2 1 in both directions, borders replicated."""
    taps = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    kernel = (taps[:, None] * taps).expand(images.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=images.shape[1])


def settled(parts: Parts) -> Parts:
    """Make alpha that is almost 0 or 1 exactly so."""
    there = parts.alpha >= LEAST
    alpha = torch.where(there, parts.alpha.masked_fill(parts.alpha > MOST, 1.0), 0.0)
    return replace(parts, premultiplied=parts.premultiplied * there, alpha=alpha)


def straight(premultiplied: Tensor, alpha: Tensor) -> Tensor:
    """Return straight colour N×3×H×W, defined everywhere: where alpha is 0 it is what is near (a pyramid, pushed and pulled)."""
    levels = [torch.cat([premultiplied, alpha], 1)]
    for _ in range(LEVELS):
        if min(levels[-1].shape[-2:]) < 2:
            break
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True))
    mean = levels[-1].mean((2, 3), keepdim=True)
    colour = (mean[:, :3] + 1e-5 * 0.5) / (mean[:, 3:] + 1e-5)
    for level in reversed(levels):
        near = F.interpolate(colour, size=level.shape[-2:], mode="bilinear", align_corners=False) if colour.shape[-1] > 1 else colour
        colour = (level[:, :3] + 1e-3 * near) / (level[:, 3:] + 1e-3)
    return colour


def mixed(foreground: Tensor, alpha: Tensor, background: Tensor, *, curve: Tensor | None = None) -> Tensor:
    """Return alpha · foreground + (1 - alpha) · background, mixed in the power `curve` of the values where one is given."""
    if curve is None or bool((curve == 1).all()):
        return alpha * foreground + (1 - alpha) * background
    light = alpha * foreground**curve + (1 - alpha) * background**curve
    return light ** (1 / curve)
