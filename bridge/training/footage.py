"""Packed footage: photographs and cut-outs in one safetensors file, made by `python -m bridge.evaluation.footage`.

Without a pack everything is procedural, so that tests and newcomers need none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Footage:
    """photographs: H×W×3 uint8, display-referred; cutouts: H×W×4 uint8, display-referred colour defined everywhere, straight alpha."""

    photographs: tuple[Bytes, ...] = field(repr=False)
    cutouts: tuple[Bytes, ...] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Footage:
        """Read a pack: tensors named photograph.N and cutout.N. Raises OSError."""
        tensors = load_file(path)
        kinds = ([tensors[k] for k in sorted(tensors) if k.startswith(f"{kind}.")] for kind in ("photograph", "cutout"))
        photographs, cutouts = kinds
        return cls(tuple(photographs), tuple(cutouts))


def save_pack(path: Path, *, photographs: Sequence[Bytes], cutouts: Sequence[Bytes]) -> None:
    """Write a pack that `Footage.open` reads."""
    tensors = {f"photograph.{i:04d}": p for i, p in enumerate(photographs)} | {f"cutout.{i:04d}": c for i, c in enumerate(cutouts)}
    save_file(tensors, path)


def texture(rng: np.random.Generator, side: int, footage: Footage | None) -> Floats:
    """Return a side×side×3 float32 texture, display-referred 0..1: a crop of a photograph two times in three, else procedural."""
    if footage is not None and footage.photographs and rng.random() < 0.67:
        picture = footage.photographs[rng.integers(len(footage.photographs))]
        short = min(picture.shape[:2])
        extent = int(np.clip(side * rng.uniform(0.7, 3.0), min(64, short), short))
        y, x = rng.integers(picture.shape[0] - extent + 1), rng.integers(picture.shape[1] - extent + 1)
        crop = cv2.resize(picture[y : y + extent, x : x + extent], (side, side), interpolation=cv2.INTER_AREA)
        crop = crop[:, ::-1] if rng.random() < 0.5 else crop
        return crop.astype(np.float32) / 255.0
    return procedural(rng, side)


def procedural(rng: np.random.Generator, side: int) -> Floats:
    """Return a side×side×3 float32 texture of mixed noises, 0..1."""
    colours = rng.random((3, 3)).astype(np.float32)
    layers = [noise(rng, side, cells=int(rng.integers(2, 7)))]
    layers.append(noise(rng, side, cells=int(rng.integers(8, 40))))
    blend = layers[0][..., None] * colours[0] + (1 - layers[0][..., None]) * colours[1]
    fine = rng.uniform(0.1, 0.8) * (layers[1][..., None] - 0.5) * colours[2]
    return np.clip(blend + fine, 0, 1).astype(np.float32)


def noise(rng: np.random.Generator, side: int, *, cells: int) -> Floats:
    """Return side×side smooth noise, 0..1, about `cells` bumps across."""
    grid = rng.random((cells + 2, cells + 2)).astype(np.float32)
    return np.clip(cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)


def close_in_colour(rng: np.random.Generator, colour: Floats, reference: Floats) -> Floats:
    """Shift the mean and spread of `colour` towards those of `reference`, both H×W×3, as artists meet it."""
    pull = rng.uniform(0.5, 1.0)
    mean, spread = colour.mean((0, 1)), colour.std((0, 1)) + 1e-3
    goal, goal_spread = reference.mean((0, 1)), reference.std((0, 1)) + 1e-3
    moved = (colour - mean) * (1 + pull * (goal_spread / spread - 1)) + mean + pull * (goal - mean)
    return np.clip(moved + rng.normal(0, 0.05, 3), 0, 1).astype(np.float32)


def video_frames(path: Path, *, count: int) -> list[Bytes]:
    """Return about `count` frames spread over a video, H×W×3 uint8 RGB; none when it cannot be read."""
    video = cv2.VideoCapture(str(path))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for place in np.linspace(0, max(0, total - 1), count).astype(int).tolist():
        video.set(cv2.CAP_PROP_POS_FRAMES, place)
        read, frame = video.read()
        if read:
            frames.append(np.ascontiguousarray(frame[..., ::-1]))
    return frames


def filled(colour: Floats, alpha: Floats) -> Floats:
    """Return straight colour, H×W×3, from premultiplied colour and alpha H×W; where alpha is nearly 0, what is near in its place."""
    weight = alpha[..., None]
    result = colour / np.maximum(weight, 1e-6)
    open_ = weight < 0.02
    for sigma in (2.0, 8.0, 32.0, 128.0):
        total, share = cv2.GaussianBlur(colour, (0, 0), sigma), cv2.GaussianBlur(alpha, (0, 0), sigma)[..., None]
        result = np.where(open_, total / np.maximum(share, 1e-6), result)
        open_ = open_ & (share < 1e-3)
    return np.asarray(result, np.float32)
