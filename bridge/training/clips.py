"""Generated clips with exactly known alpha, foreground, background and trimaps for every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bridge.models.inputs import encoded

from .degrade import degraded
from .footage import Footage, close_in_colour, texture
from .foregrounds import CUTOUT, FAMILIES, HELD_OUT, SHARES, Layer, cutout
from .motion import Motion, drawn
from .trimaps import painted, perturbed

Floats = NDArray[np.float32]
HELD_OUT_SEED = 9_000_000_000
LAYER = 1.35  # a layer is this much larger than the frame


@dataclass(frozen=True)
class Clips:
    """A batch of clips. plate, foreground, background: B×T×3×H×W float32, scene-linear where linear[b], else display-referred 0..1;
    view: B×T×3×H×W, the network's view; alpha: B×T×1×H×W; classes: B×T×1×H×W uint8, 0 background, 1 unknown, 2 foreground; linear: B bool.

    Before degradation plate = alpha · foreground + (1 - alpha) · background, exactly; `foreground` and `background` are clean.
    """

    plate: Tensor
    view: Tensor
    alpha: Tensor
    foreground: Tensor
    background: Tensor
    classes: Tensor
    linear: Tensor


def make_clips(
    *,
    batch: int,
    times: Sequence[float],
    size: int,
    seed: int,
    footage: Footage | None,
    device: torch.device | str = "cpu",
    families: Sequence[str] | None = None,
    clean: bool = False,
) -> Clips:
    """Make clips of size×size frames at the given frame numbers; the same seed gives the same clips.

    families: which to draw from; by default those for training. clean: no noise, compression or painting errors.
    """
    clips = [_clip(np.random.default_rng([seed, b]), times, size, footage, families, clean) for b in range(batch)]
    stacked = [torch.stack([getattr(c, f.name) for c in clips]).to(device) for f in fields(Clips)]
    return Clips(*stacked)


def held_out_clips(index: int, *, frames: int, size: int, footage: Footage | None) -> Clips:
    """Make the held-out clip of an index: seeds that training never draws, families that it never sees for half of them."""
    families = HELD_OUT if index % 2 == 0 else ("strands", "smoke", "blobs", "edges")
    family = families[index // 2 % len(families)]
    return make_clips(batch=1, times=range(frames), size=size, seed=HELD_OUT_SEED + index, footage=footage, families=[family])


def _clip(
    rng: np.random.Generator, times: Sequence[float], size: int, footage: Footage | None, families: Sequence[str] | None, clean: bool
) -> Clips:
    linear = bool(rng.random() < 0.65)
    side = int(size * LAYER)
    behind = texture(rng, side, footage)
    alpha, colour = _layer(rng, side, footage, families, behind)
    light = _to_light(rng, [colour, behind]) if linear else [colour, behind]
    front = torch.from_numpy(np.concatenate([light[0], alpha[..., None]], -1)).permute(2, 0, 1)
    back = torch.from_numpy(np.ascontiguousarray(light[1])).permute(2, 0, 1)
    camera, subject = drawn(rng, lively=rng.choice([0.0, 0.3, 1.0]), spread=0.0), drawn(rng, lively=rng.choice([0.2, 1.0]), spread=0.12)
    shutter = rng.uniform(0.3, 1.0) if rng.random() < 0.35 else 0.0
    frames = [_rendered(front, back, subject, camera, float(t), shutter, size) for t in times]
    foreground, alphas, background = (torch.stack(x) for x in zip(*frames, strict=True))
    plate = alphas * foreground + (1 - alphas) * background
    pixels = plate.permute(0, 2, 3, 1).numpy()
    if not clean:
        pixels = degraded(rng, pixels, linear=linear)
    plate = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous()
    classes = painted(rng, alphas[:, 0].numpy(), np.asarray(times, np.float32))
    if not clean and rng.random() < 0.3:
        classes = np.stack([perturbed(rng, c) for c in classes])
    return Clips(plate, encoded(plate, linear), alphas, foreground, background, torch.from_numpy(classes)[:, None], torch.tensor(linear))


def _layer(
    rng: np.random.Generator, side: int, footage: Footage | None, families: Sequence[str] | None, behind: Floats
) -> tuple[Floats, Floats]:
    """Draw alpha and display-referred colour of a foreground, side×side and side×side×3; the colour is defined everywhere."""
    names = list(families) if families is not None else [n for n in SHARES if n != CUTOUT or (footage is not None and footage.cutouts)]
    weights = np.array([SHARES.get(n, 1.0) for n in names])
    name = str(rng.choice(names, p=weights / weights.sum()))
    alpha, own = cutout(rng, side, footage) if name == CUTOUT and footage is not None else _drawn(name, rng, side)
    if name != CUTOUT:
        colour = texture(rng, side, footage)
        own = np.clip(colour * own, 0, 1) if own is not None else colour
    assert own is not None
    if rng.random() < 0.5:
        own = close_in_colour(rng, own, behind)
    return alpha, own.astype(np.float32)


def _drawn(name: str, rng: np.random.Generator, side: int) -> Layer:
    alpha, shading = FAMILIES[name](rng, side)
    if name not in ("smoke",) and rng.random() < 0.2:
        second, _ = FAMILIES[name](rng, side)
        alpha = np.maximum(alpha, second)
    return alpha, shading


def _to_light(rng: np.random.Generator, colours: list[Floats]) -> list[Floats]:
    """Take display-referred colours for a photograph of light: sRGB decoded, exposed, highlights stretched above 1."""
    exposure, stretch = 2.0 ** rng.uniform(-1.5, 1.0), rng.uniform(0, 6.0) if rng.random() < 0.3 else 0.0
    balance = rng.uniform(0.85, 1.15, 3).astype(np.float32)
    light = []
    for colour in colours:
        decoded = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        light.append(((decoded + stretch * np.maximum(decoded - 0.7, 0) ** 2 * 10) * exposure * balance).astype(np.float32))
    return light


def _rendered(
    front: Tensor, back: Tensor, subject: Motion, camera: Motion, time: float, shutter: float, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return foreground 3×H×W, alpha 1×H×W and background 3×H×W at a time; with a shutter, averages of premultiplied sub-frames."""
    instants = [time] if not shutter else [time + shutter * (k - 1.5) / 4 for k in range(4)]
    fronts = [_warped(front, subject.grid(t, (size, size)), "zeros") for t in instants]
    behind = torch.stack([_warped(back, camera.grid(t, (size, size)), "reflection") for t in instants]).mean(0)
    alpha = torch.stack([f[3:] for f in fronts]).mean(0)
    premultiplied = torch.stack([f[:3] * f[3:] for f in fronts]).mean(0)
    plain = torch.stack([f[:3] for f in fronts]).mean(0)
    colour = torch.where(alpha > 1e-3, premultiplied / alpha.clamp(min=1e-3), plain)
    return colour, alpha, behind


def _warped(layer: Tensor, grid: Tensor, outside: str) -> Tensor:
    scaled = grid / LAYER
    return F.grid_sample(layer[None], scaled[None], mode="bilinear", padding_mode=outside, align_corners=False)[0]
