"""What training minimises; every term cites where it comes from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CLASS_WEIGHTS = (1.0, 1.25, 1.0)  # a pixel wrongly called certain cannot be mended by stage 2


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Average `x` over a mask of the same or broadcastable shape."""
    mask = mask.expand_as(x)
    return (x * mask).sum() / mask.sum().clamp(min=1.0)


def alpha_loss(predicted: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Return the Charbonnier distance in the unknown region (Xu et al. 2017, Deep Image Matting, equation 1)."""
    return masked_mean(((predicted - truth) ** 2 + 1e-6).sqrt(), unknown)


def square_loss(predicted: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Return the mean square error in the unknown region: what MSE counts (Rhemann et al. 2009)."""
    return masked_mean((predicted - truth).square(), unknown)


def regret_loss(predicted: Tensor, truth: Tensor, unknown: Tensor, *, before: Tensor) -> Tensor:
    """Return by how much the prediction is farther off than what it began with, in the unknown region; nothing where it is nearer.

    A mean of what may be true is a good guess under squares and a bad one where `before` had been right; this tells the two apart.
    """
    return masked_mean(((predicted - truth).abs() - (before - truth).abs()).clamp(min=0.0), unknown)


def composition_loss(predicted: Tensor, truth: Tensor, unknown: Tensor, *, contrast: Tensor) -> Tensor:
    """Return the error of the composite over the true colours in the unknown region (Deep Image Matting, equation 2).

    contrast: N×1×H×W, mean absolute difference of true foreground and background colour.
    """
    return masked_mean((predicted - truth).abs() * contrast, unknown)


def laplacian_loss(predicted: Tensor, truth: Tensor, unknown: Tensor, *, levels: int = 4) -> Tensor:
    """Return the L1 distance of Laplacian pyramids, coarser levels weighing more (Hou and Liu 2019, Context-Aware Matting)."""
    error = (predicted - truth) * unknown
    total = error.new_zeros(())
    for level in range(levels):
        if min(error.shape[-2:]) < 4:
            break
        small = F.avg_pool2d(error, 2)
        detail = error - F.interpolate(small, size=error.shape[-2:], mode="bilinear")
        total = total + 2.0**level * detail.abs().sum() / (4.0**-level * unknown.sum()).clamp(min=1.0)
        error = small
    return total / levels


def gradient_loss(predicted: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Return the L1 distance of finite differences in the unknown region (Tang et al. 2019, Learning-Based Sampling)."""
    error = predicted - truth
    across = masked_mean((error[..., 1:] - error[..., :-1]).abs(), unknown[..., 1:])
    down = masked_mean((error[..., 1:, :] - error[..., :-1, :]).abs(), unknown[..., 1:, :])
    return across + down


def temporal_loss(predicted: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Return the L1 distance of frame-to-frame alpha changes, N×T×1×H×W (Zhang et al. 2021, TCVOM, L_tc)."""
    change = (predicted[:, 1:] - predicted[:, :-1]) - (truth[:, 1:] - truth[:, :-1])
    return masked_mean(change.abs(), unknown[:, 1:])


def change_loss(predicted: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Return the mean square of the same, where either frame is unknown: what dtSSD sums (Sun et al. 2021, Deep Video Matting, L_tc)."""
    change = (predicted[:, 1:] - predicted[:, :-1]) - (truth[:, 1:] - truth[:, :-1])
    return masked_mean(change.square(), torch.maximum(unknown[:, 1:], unknown[:, :-1]))


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the cross-entropy of three classes. logits: N×3×H×W; classes: N×H×W, 0, 1, 2."""
    return F.cross_entropy(logits, classes.long(), torch.tensor(CLASS_WEIGHTS, device=logits.device))


def false_certainty(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the mean probability of the opposite certain class: the error that costs an artist a new key."""
    probability = logits.softmax(1)
    opposite = torch.where(classes == 2, probability[:, 0], probability[:, 2])
    return (opposite * (classes != 1)).mean()
