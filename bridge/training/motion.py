"""Motion as a smooth function of time: camera, object and a non-rigid wobble, so that any frames of a shot can be rendered.

Positions are in units of half the frame's short side, x to the right, y down, 0 in the middle; time is in frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

FASTEST = 0.2  # ten per cent of the frame a frame
KNOTS = 13  # the grid is bent on this many knots a side
WAVES = 3


@dataclass(frozen=True)
class Motion:
    """Where one layer is over time. Every field is an array of its own fixed shape, so that motions stack."""

    centre: NDArray[np.float64]  # 2
    sway: NDArray[np.float64]  # 2: how far it swings
    rhythm: NDArray[np.float64]  # 2: radians a frame
    phase: NDArray[np.float64]  # 2
    shake: NDArray[np.float64]  # 2: a hand-held camera's tremble
    turn: NDArray[np.float64]  # angle, swing of it, rhythm, phase
    zoom: NDArray[np.float64]  # scale, swing of its logarithm, rhythm, phase
    wave: NDArray[np.float64]  # WAVES×7: amplitude x, y, frequency x, y, rhythm, two phases

    def travel(self, time: float, shutter: float) -> float:
        """Return about how far the layer moves while the shutter is open, in half short sides."""
        before, after = (self.places(np.array([time + shutter * k])) for k in (-0.5, 0.5))
        shift = np.hypot(*(after[0][0] - before[0][0]))
        return float(shift + abs(after[1][0] - before[1][0]) + abs(np.log(after[2][0] / before[2][0])))

    def places(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return centre K×2, angle K and scale K at K times."""
        t = times[:, None]
        swing = self.sway * np.sin(self.rhythm * t + self.phase)
        tremble = self.shake * (np.sin(1.7 * t + 5 * self.phase) + 0.6 * np.sin(2.9 * t + 3 * self.phase))
        angle = self.turn[0] + self.turn[1] * np.sin(self.turn[2] * times + self.turn[3])
        scale = self.zoom[0] * np.exp(self.zoom[1] * np.sin(self.zoom[2] * times + self.zoom[3]))
        return self.centre + swing + tremble, angle, scale


def object_motion(rng: np.random.Generator) -> Motion:
    """Draw the motion of an object: most are calm, a few reach ten per cent of the frame a frame or leave it and come back."""
    speed = FASTEST * rng.random() ** 3 * rng.choice([0.0, 0.5, 1.0], p=[0.08, 0.52, 0.4])
    leaves = rng.random() < 0.12
    reach = rng.uniform(1.0, 1.8) if leaves else rng.uniform(0.05, 0.45)
    return _motion(
        rng, speed=speed, reach=reach, spread=0.25, turning=0.5, zooming=0.25, wobble=0.05 * rng.random() ** 2, upright=rng.random() < 0.5
    )


def camera_motion(rng: np.random.Generator) -> Motion:
    """Draw the motion of what lies behind: pans, zooms, hand-held shake, or a tripod."""
    if rng.random() < 0.25:
        return _motion(rng, speed=0.0, reach=0.0, spread=0.1, turning=0.0, zooming=0.0, wobble=0.0, upright=True)
    speed = FASTEST * rng.random() ** 4
    wobble = 0.02 * rng.random() * (rng.random() < 0.2)
    return _motion(rng, speed=speed, reach=rng.uniform(0.05, 0.4), spread=0.1, turning=0.1, zooming=0.2, wobble=wobble, upright=True)


def _motion(
    rng: np.random.Generator, *, speed: float, reach: float, spread: float, turning: float, zooming: float, wobble: float, upright: bool
) -> Motion:
    heading = rng.uniform(0, 2 * np.pi)
    sway = reach * np.array([np.cos(heading), np.sin(heading)]) * (speed > 0)
    rhythm = min(0.9, speed / max(reach, 1e-3)) * rng.uniform(0.75, 1.0, 2)
    calm = float(speed > 0)
    waves = np.zeros((WAVES, 7))
    waves[:, :2] = rng.normal(0, 1, (WAVES, 2)) * wobble
    waves[:, 2:4] = rng.normal(0, 2.2, (WAVES, 2))
    waves[:, 4:] = np.stack([rng.uniform(0.05, 0.6, WAVES), *rng.uniform(0, 6.3, (2, WAVES))], -1)
    return Motion(
        centre=rng.normal(0, spread, 2),
        sway=sway,
        rhythm=rhythm,
        phase=rng.uniform(-0.6, 0.6, 2) if rng.random() < 0.75 else rng.uniform(0, 6.3, 2),
        shake=rng.normal(0, 0.006, 2) * (rng.random() < 0.3) * calm,
        turn=np.array(
            [
                rng.normal(0, 0.12) if upright else rng.uniform(-np.pi, np.pi),
                rng.normal(0, turning) * calm,
                rng.uniform(0.02, 0.15),
                rng.uniform(0, 6.3),
            ]
        ),
        zoom=np.array([rng.uniform(0.9, 1.15), rng.normal(0, zooming) * calm, rng.uniform(0.02, 0.15), rng.uniform(0, 6.3)]),
        wave=waves,
    )


def grids(
    motions: Sequence[Motion], times: NDArray[np.float64], size: tuple[int, int], extent: tuple[float, float], device: torch.device
) -> Tensor:
    """Return where the pixels of frames lie in each layer: B×K×H×W×2, x then y, in -1..1 over the layer, as grid_sample wants.

    times: B×K frame numbers; size: height and width in pixels; extent: half height and half width of the layer, in half short sides.
    """
    height, width = size
    short = min(size)
    places = [m.places(t) for m, t in zip(motions, times, strict=True)]
    centre, angle, scale = (torch.from_numpy(np.stack(p)).float() for p in zip(*places, strict=True))
    y = torch.linspace(1 / height - 1, 1 - 1 / height, KNOTS) * height / short
    x = torch.linspace(1 / width - 1, 1 - 1 / width, KNOTS) * width / short
    ys, xs = torch.meshgrid(y, x, indexing="ij")
    from_centre = torch.stack([xs, ys], -1) - centre[:, :, None, None]
    c, s = (torch.cos(angle) / scale)[..., None, None], (torch.sin(angle) / scale)[..., None, None]
    u = c * from_centre[..., 0] + s * from_centre[..., 1]
    v = c * from_centre[..., 1] - s * from_centre[..., 0]
    bent = _bent(u, v, torch.from_numpy(np.stack([m.wave for m in motions])).float(), torch.from_numpy(times).float())
    knots = torch.stack([bent[0] / extent[1], bent[1] / extent[0]], 2).flatten(0, 1).to(device)
    fine = F.interpolate(knots, size=size, mode="bilinear", align_corners=True)
    return fine.unflatten(0, times.shape).permute(0, 1, 3, 4, 2)


def _bent(u: Tensor, v: Tensor, waves: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Return u and v, B×K×n×n, moved by a sum of travelling sines."""
    if not bool(waves[..., :2].any()):
        return u, v
    w = waves[:, :, :, None, None, None]
    t = times[:, None, :, None, None]
    along = w[:, :, 2] * u[:, None] + w[:, :, 3] * v[:, None] + w[:, :, 4] * t
    return u + (w[:, :, 0] * torch.sin(along + w[:, :, 5])).sum(1), v + (w[:, :, 1] * torch.sin(along + w[:, :, 6])).sum(1)
