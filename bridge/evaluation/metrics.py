"""Errors of a matte against the truth, each in one variant, named in its docstring.

a prediction, g truth, both 0..1; M the unknown region of the true trimap, or the whole frame; e = a - g. A number means nothing without its
variant: papers that print the same name differ in the divisor, the region and the factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bridge.imaging.connected import largest_piece

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

SIGMA = 1.4  # of Grad's Gaussian, in pixels
TAIL = 0.01  # Grad's kernel ends where the Gaussian falls below this
THRESHOLDS = tuple(i / 10 for i in range(11))
LOOSE = 0.15  # Conn: a value this far above the level at which it hangs on counts as loose


def sad(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the sum of absolute errors over the mask, in thousands (Rhemann et al. 2009). a, g, mask: H×W or T×H×W."""
    return float(np.abs(a - g)[mask].sum(dtype=np.float64)) / 1000.0


def msad(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the mean absolute error over the mask, Σ|e| / N; 0 for an empty one.

    TCVOM's mSAD (Zhang et al. 2021), which prints it × 1000; over the whole frame it is the MAD of Lin et al. 2022.
    """
    return float(np.abs(a - g)[mask].mean(dtype=np.float64)) if mask.any() else 0.0


def mse(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the mean squared error over the mask, Σe² / N as TCVOM divides (not N + 1); 0 for an empty one."""
    return float(np.square(a - g)[mask].mean(dtype=np.float64)) if mask.any() else 0.0


def gradient_error(a: Floats, g: Floats, mask: Mask) -> float:
    """Return Grad, Σ(‖∇a‖ - ‖∇g‖)² over the mask, undivided (Rhemann et al. 2009). a, g, mask: H×W.

    The mattes come as they are: no stretching to 0..1 first.
    """
    difference = gradient_length(a) - gradient_length(g)
    return float(np.square(difference)[mask].sum())


def gradient_length(matte: Floats) -> NDArray[np.float64]:
    """Return ‖∇‖ of a matte, H×W, by first derivatives of a Gaussian, σ = 1.4, 9×9, L2 norm 1, the border replicated."""
    half = math.ceil(SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * SIGMA * TAIL)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * SIGMA**2))
    bell, slope = (kernel / np.linalg.norm(kernel) for kernel in (bell, -x * bell))
    padded = np.pad(np.asarray(matte, np.float64), half, mode="edge")
    across = _correlated(_correlated(padded, bell, axis=0), slope, axis=1)
    down = _correlated(_correlated(padded, slope, axis=0), bell, axis=1)
    return np.hypot(across, down)


def _correlated(values: NDArray[np.float64], kernel: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(values, len(kernel), axis=axis)
    return np.asarray(windows @ kernel)


def connectivity_error(a: Floats, g: Floats, mask: Mask) -> float:
    """Return Conn, Σ|φ(a) - φ(g)| over the mask, undivided (Rhemann et al. 2009). a, g, mask: H×W.

    Ω_i is the largest 4-connected piece of a ≥ t_i and g ≥ t_i, t_i = 0.1, 0.2 … 1; the level of a pixel is t_{i-1} of the first Ω_i that
    it lies outside of, 1 when there is none; φ(value) = 1 - d where d = value - level reaches 0.15, else 1.
    """
    level = np.ones(a.shape)
    inside = np.ones(a.shape, bool)
    for below, threshold in pairwise(THRESHOLDS):
        still = inside & largest_piece((a >= threshold) & (g >= threshold))
        level[inside & ~still] = below
        inside = still
    held = [1 - np.where(values - level >= LOOSE, values - level, 0) for values in (a, g)]
    return float(np.abs(held[0] - held[1])[mask].sum(dtype=np.float64))


def ssda(a: Floats, g: Floats, mask: Mask) -> float:
    """Return the root of the summed squared errors over the mask (Erofeev et al. 2015). a, g, mask: H×W."""
    return math.sqrt(float(np.square(a - g)[mask].sum(dtype=np.float64)))


def dtssd(a: Floats, g: Floats, mask: Mask) -> float:
    """Return dtSSD, the mean over pairs of frames of the root of summed squared errors of the change of alpha (Erofeev et al. 2015).

    a, g, mask: T×H×W; the mask of a pair is its first frame's.
    """
    change = (a[1:] - a[:-1]) - (g[1:] - g[:-1])
    return float(np.mean([np.sqrt(np.square(c[m]).sum(dtype=np.float64)) for c, m in zip(change, mask[:-1], strict=True)]))


@dataclass(frozen=True)
class MovedError:
    """MESSDdt of a clip: `total`, the raw sum of a pair, mean over pairs; `each`, the mean over all valid pixels; `valid`, how many."""

    total: float
    each: float
    valid: int


def messddt(a: Floats, g: Floats, mask: Mask, *, flow: Floats) -> MovedError:
    """Return MESSDdt, Σ|e_t(p)² - e_{t+1}(p + v_t(p))²| over the valid pixels of M_t (idea of Erofeev et al. 2015; the variant is ours).

    Each pair reads its own next frame, at column + v_x and row + v_y, bilinearly, and squares what it read. Valid is what the flow knows
    and keeps inside the frame. The code published with later papers swaps rows and columns and reads the clip's first next frame for every
    pair, so its numbers cannot be compared.
    a, g, mask: T×H×W; flow: (T-1)×H×W×2, in pixels, column and row, from t to t+1; NaN where it is not known.
    """
    error = np.asarray(a, np.float64) - g
    sums, counts = [], []
    for now, then, pair_mask, motion in zip(error[:-1], error[1:], mask[:-1], flow, strict=True):
        row, column = np.nonzero(pair_mask & landing_inside(motion))
        moved = motion[row, column].astype(np.float64)
        there = between_pixels(then, column=column + moved[:, 0], row=row + moved[:, 1])
        sums.append(float(np.abs(now[row, column] ** 2 - there**2).sum()))
        counts.append(len(row))
    return MovedError(float(np.mean(sums)), sum(sums) / max(1, sum(counts)), sum(counts))


def landing_inside(flow: Floats) -> Mask:
    """Return where a flow, H×W×2 (column, row), is known and stays inside the frame, H×W."""
    height, width = flow.shape[:2]
    row, column = np.indices((height, width))
    x, y = column + flow[..., 0], row + flow[..., 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def between_pixels(values: Floats, *, column: Floats, row: Floats) -> NDArray[np.float64]:
    """Return values, H×W, read bilinearly at N places inside the frame."""
    left, top = np.floor(column).astype(np.intp), np.floor(row).astype(np.intp)
    right, bottom = np.minimum(left + 1, values.shape[1] - 1), np.minimum(top + 1, values.shape[0] - 1)
    x, y = column - left, row - top
    upper = (1 - x) * values[top, left] + x * values[top, right]
    lower = (1 - x) * values[bottom, left] + x * values[bottom, right]
    return np.asarray((1 - y) * upper + y * lower)


def flicker(a: Floats, mask: Mask) -> float:
    """Return the mean absolute change of alpha from frame to frame where either frame's mask is, in a scene that stands still.

    a, mask: T×H×W.
    """
    change, either = np.abs(a[1:] - a[:-1]), mask[1:] | mask[:-1]
    return float(change[either].mean(dtype=np.float64)) if either.any() else 0.0


def class_agreement(predicted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the share of pixels whose trimap class is the true one."""
    return float((predicted == truth).mean())


def wrongly_certain(predicted: NDArray[np.uint8], alpha: Floats, *, tolerance: float = 0.05) -> float:
    """Return the share of pixels called background or foreground although their alpha is not 0 or 1 within the tolerance."""
    background = (predicted == 0) & (alpha > tolerance)
    foreground = (predicted == 2) & (alpha < 1 - tolerance)
    return float((background | foreground).mean())
