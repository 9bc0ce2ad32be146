"""Packed footage: photographs, panoramas, filmed runs and cut-outs in one safetensors file, made by `python -m bridge.evaluation.footage`.

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
CODE_GAIN, BRIGHTEST_CODE = 50.0, 64.0  # code 1.0 of a panorama is this light; its logarithm bends at 1 / gain
KINDS = {"photographs": "photograph", "cutouts": "cutout", "panoramas": "panorama", "runs": "run", "effects": "effect"}


@dataclass(frozen=True)
class Footage:
    """What a pack holds, all uint8.

    photographs: H×W×3, display-referred; panoramas: H×W×3, codes of scene-linear light as `coded_light` gives them; runs: T×H×W×3,
    display-referred frames that follow each other; cutouts (rendered) and effects (motion graphics): H×W×4, display-referred colour
    defined everywhere, straight alpha.
    """

    photographs: tuple[Bytes, ...] = field(default=(), repr=False)
    cutouts: tuple[Bytes, ...] = field(default=(), repr=False)
    panoramas: tuple[Bytes, ...] = field(default=(), repr=False)
    runs: tuple[Bytes, ...] = field(default=(), repr=False)
    effects: tuple[Bytes, ...] = field(default=(), repr=False)

    @classmethod
    def open(cls, path: Path) -> Footage:
        """Read a pack: tensors named photograph.N, cutout.N, panorama.N, run.N, effect.N. Raises OSError."""
        tensors = load_file(path)
        return cls(**{kind: tuple(tensors[k] for k in sorted(tensors) if k.startswith(f"{name}.")) for kind, name in KINDS.items()})


def save_pack(
    path: Path,
    *,
    photographs: Sequence[Bytes] = (),
    cutouts: Sequence[Bytes] = (),
    panoramas: Sequence[Bytes] = (),
    runs: Sequence[Bytes] = (),
    effects: Sequence[Bytes] = (),
) -> None:
    """Write a pack that `Footage.open` reads."""
    kinds = {"photograph": photographs, "cutout": cutouts, "panorama": panoramas, "run": runs, "effect": effects}
    save_file({f"{name}.{i:04d}": np.ascontiguousarray(p) for name, items in kinds.items() for i, p in enumerate(items)}, path)


def coded_light(light: Floats) -> Bytes:
    """Return logarithmic 8-bit codes of scene-linear light, exact to about 3 % from 0 to 64."""
    scale = np.log1p(CODE_GAIN * BRIGHTEST_CODE)
    codes = np.log1p(CODE_GAIN * np.clip(np.nan_to_num(light), 0, BRIGHTEST_CODE)) / scale
    return np.asarray(codes * 255 + 0.5).astype(np.uint8)


def noise(rng: np.random.Generator, side: int, *, cells: int) -> Floats:
    """Return side×side smooth noise, 0..1, about `cells` bumps across."""
    grid = rng.random((cells + 2, cells + 2)).astype(np.float32)
    return np.clip(cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)


def fractal(rng: np.random.Generator, side: int, *, cells: int, octaves: int, gain: float = 0.5) -> Floats:
    """Return side×side noise of several octaves, 0..1, the broadest with about `cells` bumps across."""
    total, weight = np.zeros((side, side), np.float32), 0.0
    for octave in range(octaves):
        share = gain**octave
        total += np.float32(share) * noise(rng, side, cells=min(side, cells << octave))
        weight += share
    middle = total / np.float32(weight) - np.float32(0.5)
    return np.asarray(np.clip(0.5 + middle * (1 + 0.25 * (octaves - 1)), 0, 1), np.float32)


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


def video_run(path: Path, *, count: int, height: int) -> Bytes | None:
    """Return `count` frames that follow each other from a third into a video, T×height×W×3 uint8 RGB; None when there are too few."""
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_POS_FRAMES, int(video.get(cv2.CAP_PROP_FRAME_COUNT)) // 3)
    frames: list[Bytes] = []
    while len(frames) < count:
        read, frame = video.read()
        if not read:
            return None
        width = round(frame.shape[1] * height / frame.shape[0])
        frames.append(np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8))
    return np.ascontiguousarray(np.stack(frames))


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
