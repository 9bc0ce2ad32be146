"""Textures of backgrounds and foregrounds: crops of photographs two times in three, else mixed noise; kept as 8-bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bridge.models.inputs import encoded

from .footage import BRIGHTEST_CODE, CODE_GAIN, Footage, fractal, noise

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
PHOTOGRAPHED = 0.67


@dataclass(frozen=True)
class Texture:
    """pixels: T×H×W×3 uint8, T is 1 for a still. logarithmic: the codes are those of a panorama's light, else display-referred."""

    pixels: Bytes
    logarithmic: bool = False

    @property
    def shown(self) -> Bytes:
        """The pixels display-referred."""
        return shown_codes()[self.pixels] if self.logarithmic else self.pixels


def still(rng: np.random.Generator, size: tuple[int, int], footage: Footage | None) -> Texture:
    """Draw a texture that stands still; size: height and width in pixels."""
    if footage is None or not (footage.photographs or footage.panoramas) or rng.random() > PHOTOGRAPHED:
        return Texture(procedural(rng, size)[None])
    if footage.panoramas and rng.random() < 0.4:
        return Texture(_crop(rng, footage.panoramas[rng.integers(len(footage.panoramas))][None], size), logarithmic=True)
    if footage.photographs:
        return Texture(_crop(rng, footage.photographs[rng.integers(len(footage.photographs))][None], size))
    return Texture(procedural(rng, size)[None])


def moving(rng: np.random.Generator, size: tuple[int, int], footage: Footage | None, times: Sequence[float]) -> Texture:
    """Draw a piece of a filmed run at the given frame numbers (played to and fro), or a still where there is none."""
    if footage is None or not footage.runs:
        return still(rng, size, footage)
    run = footage.runs[rng.integers(len(footage.runs))]
    last = max(1, len(run) - 1)
    start = int(rng.integers(2 * last))
    places = [last - abs((start + round(t)) % (2 * last) - last) for t in times]
    return Texture(_crop(rng, run[places], size))


def unfocused(rng: np.random.Generator, texture: Texture) -> Texture:
    """Return the texture as a lens blurs it that is focused on something nearer: by 0.5 to 6 % of the short side."""
    sigma = min(texture.pixels.shape[1:3]) * np.exp(rng.uniform(np.log(0.005), np.log(0.06)))
    blurred = [cv2.GaussianBlur(frame, (0, 0), float(sigma), borderType=cv2.BORDER_REFLECT) for frame in texture.pixels]
    return replace(texture, pixels=np.stack(blurred))


def _crop(rng: np.random.Generator, frames: Bytes, size: tuple[int, int]) -> Bytes:
    height, width = frames.shape[1:3]
    aspect = size[0] / size[1]
    whole = min(height, width * aspect)
    tall = float(np.clip(size[0] * rng.uniform(0.7, 2.6), min(48.0, whole), whole))
    rows, columns = max(2, int(tall)), max(2, min(width, int(tall / aspect)))
    y, x = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    mirrored = rng.random() < 0.5
    crops = []
    for frame in frames:
        crop = cv2.resize(frame[y : y + rows, x : x + columns], (size[1], size[0]), interpolation=cv2.INTER_AREA)
        crops.append(crop[:, ::-1] if mirrored else crop)
    return np.stack(crops)


def procedural(rng: np.random.Generator, size: tuple[int, int]) -> Bytes:
    """Return H×W×3 uint8 of mixed noises: clouds of two colours with grain, stripes or tiles."""
    side = max(size)
    low, high = _muted(rng, 0), _muted(rng, 1)
    broad = fractal(rng, side, cells=int(rng.integers(2, 7)), octaves=int(rng.integers(1, 5)))[..., None]
    picture = low + (high - low) * broad
    kind = rng.random()
    if kind < 0.25:
        picture = picture * (1 - rng.uniform(0.1, 0.9) * _stripes(rng, side))
    elif kind < 0.5:
        count, colourful = int(rng.integers(4, 30)), 0.5 * rng.random() ** 2
        cells = rng.random((count, count, 1)).astype(np.float32) + np.float32(colourful) * rng.random((count, count, 3)).astype(np.float32)
        picture = picture + rng.uniform(0.1, 0.8) * (cv2.resize(cells, (side, side), interpolation=cv2.INTER_NEAREST) - 0.5)
    fine = noise(rng, side, cells=int(rng.integers(12, max(13, side // 2))))[..., None] - 0.5
    picture = picture + rng.uniform(0.0, 0.6) * fine * _muted(rng, 1)
    return (np.clip(picture[: size[0], : size[1]], 0, 1) * 255 + 0.5).astype(np.uint8)


def _muted(rng: np.random.Generator, bright: float) -> Floats:
    """Return a colour as things have it, seldom pure."""
    colour = rng.random(3)
    grey = rng.uniform(0.2 * bright, 0.8 + 0.2 * bright)
    return np.asarray(grey + (colour - 0.5) * rng.random() ** 2, np.float32)


def _stripes(rng: np.random.Generator, side: int) -> Floats:
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(6, side / 3)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / pitch + 4 * noise(rng, side, cells=3))
    return np.asarray(np.clip(0.5 + rng.uniform(0.6, 6.0) * wave, 0, 1)[..., None], np.float32)


def light_of(codes: Tensor) -> Tensor:
    """Return the scene-linear light of logarithmic codes 0..1, as `bridge.training.footage.coded_light` wrote them."""
    return torch.expm1(codes * float(np.log1p(CODE_GAIN * BRIGHTEST_CODE))) / CODE_GAIN


def decoded(shown: Tensor) -> Tensor:
    """Return the scene-linear light of display-referred values 0..1 (sRGB curve, IEC 61966-2-1)."""
    return torch.where(shown <= 0.04045, shown / 12.92, ((shown.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def shown_codes() -> Bytes:
    """Return for each of the 256 logarithmic codes its display-referred code: the network's view of that light."""
    light = light_of(torch.arange(256, dtype=torch.float32) / 255)
    return np.asarray((encoded(light, True) * 255 + 0.5).to(torch.uint8).numpy())
