"""Smoothing that follows the plate: confidence-weighted averages and a weighted colour guided filter."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def box(values: Tensor, radius: int) -> Tensor:
    """Return the mean over a square of 2·radius + 1 pixels, the border replicated; values: N×C×H×W."""
    if radius == 0:
        return values
    values = values.contiguous(memory_format=torch.channels_last)
    across = F.avg_pool2d(F.pad(values, (radius, radius, 0, 0), "replicate"), (1, 2 * radius + 1), 1)
    return F.avg_pool2d(F.pad(across, (0, 0, radius, radius), "replicate"), (2 * radius + 1, 1), 1)


def guided_plane(guide: Tensor, values: Tensor, weight: Tensor, *, cell: int, radius: int, ease: float) -> Tensor:
    """Fit `values` as a local linear function of the guide; return slope 3 and offset 1, N×4×h×w, one for each square of `cell` pixels.

    guide: N×3×H×W; values, weight: N×1×H×W, weight > 0 says how far each value is trusted; radius: of the window, in cells; ease: added
    to the guide's variances, relative to one plus its squared mean, which float32 can bear. Read bilinearly, slope · guide + offset is
    the fit.
    Guided image filtering, He, Sun and Tang 2010, as weighted least squares; on a coarser grid as in He and Sun 2015.
    """
    sums = box(_cell_sums(guide, values, weight, cell=cell), radius)
    means = sums[:, 1:] / sums[:, :1].clamp(min=1e-8)
    centre, middle = means[:, :1], means[:, 1:4]
    squares = torch.stack([middle[:, i] * middle[:, j] for i in range(3) for j in range(i, 3)], 1)
    slope = _solve_symmetric(means[:, 4:10] - squares, means[:, 10:13] - centre * middle, ease * (1.0 + middle.square().sum(1)))
    offset = centre - (slope * middle).sum(1, keepdim=True)
    return box(torch.cat([slope, offset], 1), radius)


def _cell_sums(guide: Tensor, values: Tensor, weight: Tensor, *, cell: int) -> Tensor:
    """Return per cell the weight and the weighted sums of value, guide, guide products and value · guide, N×14×h×w, as means."""
    short, narrow = -guide.shape[-2] % cell, -guide.shape[-1] % cell
    if short or narrow:
        guide, values, weight = (F.pad(m, (0, narrow, 0, short)) for m in (guide, values, weight))
    heavy = [weight[:, 0] * guide[:, i] for i in range(3)]
    terms = [weight[:, 0], weight[:, 0] * values[:, 0], *heavy]
    terms += [heavy[i] * guide[:, j] for i in range(3) for j in range(i, 3)] + [heavy[i] * values[:, 0] for i in range(3)]
    return torch.stack([F.avg_pool2d(term, cell) for term in terms], 1)


def _solve_symmetric(matrix: Tensor, right: Tensor, ease: Tensor) -> Tensor:
    """Solve 3×3 symmetric systems by their adjugate; matrix: N×6×H×W (upper triangle by rows), right: N×3×H×W; ease: N×H×W."""
    a, b, c, d, e, f = matrix.unbind(1)
    ridge = ease + 1e-3 * (a + d + f)  # float32 cannot tell a flat colour line from noise in bright highlights
    a, d, f = a + ridge, d + ridge, f + ridge
    ca, cb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    cd, ce, cf = a * f - c * c, b * c - a * e, a * d - b * b
    inverse = torch.reciprocal((a * ca + b * cb + c * cc).maximum(0.5 * ridge**3))
    x, y, z = right.unbind(1)
    rows = [ca * x + cb * y + cc * z, cb * x + cd * y + ce * z, cc * x + ce * y + cf * z]
    return torch.stack(rows, 1) * inverse[:, None]
