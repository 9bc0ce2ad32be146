"""Motion as a smooth function of time: camera, object and a non-rigid wobble, so that any frames of a shot can be rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Motion:
    """Where a layer is over time, in fractions of the frame; all sampled once per clip."""

    start: tuple[float, float]
    velocity: tuple[float, float]
    sway: tuple[float, float]
    rhythm: float
    phase: float
    turn: float
    spin: float
    zoom: float
    growth: float
    wobble: Tensor  # 2×5×5, fractions of the frame

    def grid(self, time: float, size: tuple[int, int]) -> Tensor:
        """Return where each pixel of a frame lies in the layer at a time: H×W×2 in -1..1, as grid_sample wants."""
        h, w = size
        swing = np.sin(self.phase + self.rhythm * time)
        angle, scale = self.turn + self.spin * time, self.zoom * np.exp(self.growth * np.sin(0.12 * time))
        dx, dy = (2 * (s + v * time + a * swing) for s, v, a in zip(self.start, self.velocity, self.sway, strict=True))
        c, s = np.cos(angle) / scale, np.sin(angle) / scale
        theta = torch.tensor([[c, -s, -(c * dx - s * dy)], [s, c, -(s * dx + c * dy)]], dtype=torch.float32)
        base = F.affine_grid(theta[None], [1, 1, h, w], align_corners=False)
        field = self.wobble * float(np.sin(self.phase + 0.7 * self.rhythm * time)) * 2
        smooth = F.interpolate(field[None], scale_factor=5.0, mode="bicubic", align_corners=False)
        bend = F.interpolate(smooth, size=(h, w), mode="bilinear", align_corners=False)
        return (base + bend.permute(0, 2, 3, 1))[0]


def drawn(rng: np.random.Generator, *, lively: float, spread: float) -> Motion:
    """Draw a motion: `lively` scales its speed, most clips are calm and a few reach ten per cent of the frame a frame."""
    speed = lively * 0.1 * rng.random() ** 3
    heading = rng.uniform(0, 2 * np.pi)
    return Motion(
        start=(rng.normal(0, spread), rng.normal(0, spread)),
        velocity=(speed * np.cos(heading), speed * np.sin(heading)),
        sway=(lively * rng.normal(0, 0.03), lively * rng.normal(0, 0.03)),
        rhythm=rng.uniform(0.1, 1.0),
        phase=rng.uniform(0, 6.3),
        turn=rng.uniform(-np.pi, np.pi) if spread > 0 else 0.0,
        spin=lively * rng.normal(0, 0.02),
        zoom=rng.uniform(0.9, 1.3),
        growth=lively * rng.normal(0, 0.05),
        wobble=torch.from_numpy(rng.normal(0, lively * rng.uniform(0, 0.02), (2, 5, 5)).astype(np.float32)),
    )
