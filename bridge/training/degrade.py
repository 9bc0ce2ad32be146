"""What camera and delivery do to a composite: noise, grain, sharpening, eight bits, JPEG. All strengths hold for a whole clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .composite import binomial

# The example tables of ITU-T T.81, annex K, for quality 50.
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)


@dataclass(frozen=True)
class Wear:
    """shot and read: noise that grows with the square root of light, and that does not; coarse: the share of grain that spans pixels;
    sharpen: how much of the detail is added again; eight: stored as 8-bit; quality: of its JPEG, 0 for none; worse: T, of each frame."""

    shot: float
    read: float
    coarse: float
    sharpen: float
    eight: bool
    quality: float
    worse: tuple[float, ...]


def drawn_wear(rng: np.random.Generator, *, linear: bool, frames: int) -> Wear:
    """Draw the wear of a clip; now and then one frame is much noisier than its neighbours."""
    eight = not linear and rng.random() < 0.6
    return Wear(
        shot=float(0.05 * rng.random() ** 3),
        read=float((0.006 if linear else 0.02) * rng.random() ** 2),
        coarse=float(rng.random() * (rng.random() < 0.4)),
        sharpen=float(rng.uniform(0.2, 1.0) * (rng.random() < (0.15 if linear else 0.35))),
        eight=eight,
        quality=float(rng.uniform(50, 97)) if eight and rng.random() < 0.5 else 0.0,
        worse=tuple(np.where(rng.random(frames) < 0.12, rng.uniform(1.5, 3.5, frames), 1.0).tolist()),
    )


def worn(plates: Tensor, wears: list[Wear], *, linear: Tensor, generator: torch.Generator) -> Tensor:
    """Return B×T×3×H×W plates as delivered; scene-linear ones (linear, B) may leave slightly below 0, the others stay in 0..1."""
    shape = plates.shape

    def each(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=plates.device).view(-1, 1, 1, 1, 1)

    result = plates
    sharpen = [w.sharpen for w in wears]
    picked = [i for i, amount in enumerate(sharpen) if amount > 0]
    if picked:
        detail = plates[picked] - binomial(plates[picked].flatten(0, 1)).view(len(picked), *shape[1:])
        result = plates.index_add(0, torch.tensor(picked, device=plates.device), detail * each([sharpen[i] for i in picked]))
    noise = torch.randn(shape, generator=generator, device=plates.device)
    picked = [i for i, w in enumerate(wears) if w.coarse > 0]
    if picked:
        share = each([wears[i].coarse for i in picked])
        blurred = binomial(noise[picked].flatten(0, 1)).view(len(picked), *shape[1:]) * 2.6
        noise[picked] = (1 - share) * noise[picked] + share * blurred
    worse = torch.tensor([w.worse for w in wears], device=plates.device).view(*shape[:2], 1, 1, 1)
    strength = each([w.read for w in wears]) + each([w.shot for w in wears]) * result.clamp(min=0).sqrt()
    result = result + noise * strength * worse
    if bool(linear.all()):
        return result
    shown = result.clamp(0, 1)
    eight = torch.tensor([w.eight for w in wears], device=plates.device)
    shown = torch.where(eight.view(-1, 1, 1, 1, 1), (shown * 255).round() / 255, shown)
    for i, wear in enumerate(wears):
        if wear.quality > 0:
            shown[i] = compressed(shown[i], quality=wear.quality)
    return torch.where(linear.view(-1, 1, 1, 1, 1), result, shown)


def compressed(images: Tensor, *, quality: float) -> Tensor:
    """Return N×3×H×W images, 0..1, as JPEG of a quality 1..100 gives them back: quantised cosines of 8×8 blocks, chroma halved."""
    height, width = images.shape[-2:]
    padded = F.pad(images * 255, (0, -width % 16, 0, -height % 16), mode="replicate")
    r, g, b = padded.unbind(1)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    chroma = torch.stack([0.564 * (b - luma), 0.713 * (r - luma)], 1)
    scale = (5000 / quality if quality < 50 else 200 - 2 * quality) / 100
    luma = _quantised(luma[:, None] - 128, LUMA, scale)[:, 0] + 128
    chroma = F.interpolate(_quantised(F.avg_pool2d(chroma, 2), CHROMA, scale), scale_factor=2.0, mode="bilinear", align_corners=False)
    blue, red = chroma.unbind(1)
    rgb = torch.stack([luma + 1.402 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.772 * blue], 1)
    return (rgb[..., :height, :width].round() / 255).clamp(0, 1)


def _quantised(planes: Tensor, table: tuple[tuple[int, ...], ...], scale: float) -> Tensor:
    n, c, height, width = planes.shape
    k = torch.arange(8, dtype=torch.float32, device=planes.device)
    cosine = 0.5 * torch.cos((2 * k[None] + 1) * k[:, None] * torch.pi / 16)
    cosine[0] *= 0.5**0.5
    steps = (torch.tensor(table, dtype=torch.float32, device=planes.device) * scale).clamp(min=1).round()
    blocks = planes.view(n, c, height // 8, 8, width // 8, 8).transpose(3, 4)
    coded = (cosine @ blocks @ cosine.T / steps).round() * steps
    return (cosine.T @ coded @ cosine).transpose(3, 4).reshape(n, c, height, width)
