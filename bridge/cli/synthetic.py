"""A shot of any size for benchmarks: a subject with a fringe of hair that moves over a textured background, with grain."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Some
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.contact import write_png
from bridge.sequence import Sequence

Floats = NDArray[np.float32]
FIRST = 1001
STRANDS = 700
GRAIN = 0.015
MARGIN = 0.04  # of the fringe, unknown beyond it on either side


@dataclass(frozen=True)
class Subject:
    """A disc whose fringe covers a given share of the picture: radius and width of the fringe in pixels, ends of its strands 0..1."""

    width: int
    height: int
    radius: float
    fringe: float
    strands: Floats

    @classmethod
    def sized(cls, width: int, height: int, *, unknown: float) -> Subject:
        """Return a subject whose key has at most the share `unknown`, 0..1, of unknown pixels."""
        radius = 0.3 * height
        fringe = 0.98 * unknown * width * height / (2 * np.pi * radius) / (1 + 2 * MARGIN)
        strands = np.random.default_rng(3).random(STRANDS, np.float32)
        return cls(width, height, radius, min(fringe, 2 * radius), strands)

    def depth(self, index: int) -> tuple[Floats, Floats]:
        """Return how far into the fringe each pixel is, H×W, 0 inner edge to 1 outer, and the strand it lies in, of frame `index`."""
        y, x = np.ogrid[: self.height, : self.width]
        drift = self.height / 270 * index
        down = (y - self.height * 0.5).astype(np.float32)
        right = (x - self.width * 0.45 - drift % (0.1 * self.width)).astype(np.float32)
        into = (np.hypot(right, down) - self.radius) / np.float32(self.fringe) + np.float32(0.5)
        return into, (np.arctan2(down, right) / np.float32(2 * np.pi) % 1).astype(np.float32)

    def alpha(self, index: int) -> Floats:
        """Return H×W float32 coverage of frame `index`."""
        into, turn = self.depth(index)
        place = turn * np.float32(STRANDS)
        left = place.astype(np.int32) % STRANDS
        share = place - np.floor(place)
        ends = self.strands[left] * (1 - share) + self.strands[(left + 1) % STRANDS] * share
        return np.asarray(np.clip((0.2 + 0.8 * ends - into) * 5, 0, 1), np.float32)

    def trimap(self, index: int) -> Floats:
        """Return H×W float32 of 0, 0.5 and 1 of frame `index`: unknown is the fringe and a little around it."""
        into, _ = self.depth(index)
        return np.where(into < -MARGIN, 1.0, np.where(into > 1 + MARGIN, 0.0, 0.5)).astype(np.float32)


def write_shot(
    folder: Path, *, width: int, height: int, frames: int, keys: Some[int], unknown: float, each: Callable[[], None]
) -> tuple[Sequence, Sequence]:
    """Write plates (half ZIP EXR, scene-linear) and keys (8-bit PNG; indices from 0, negative from the end); return both.

    `each` is called before every frame. Raises StorageError, and what `each` raises.
    """
    subject = Subject.sized(width, height, unknown=unknown)
    plate, trimap = Sequence.parse(folder / "plate.####.exr"), Sequence.parse(folder / "key.####.png")
    folder.mkdir(parents=True, exist_ok=True)
    for index in sorted({k % frames for k in keys}):
        values = np.rint(subject.trimap(index) * 255).astype(np.uint8)
        write_png(trimap.path(FIRST + index), np.repeat(values[..., None], 3, axis=2))
    like = exr.read_header(trimap.path(FIRST + min(k % frames for k in keys)))
    background = _texture(subject)
    for index in range(frames):
        each()
        rgb = _grained(_mixed(subject.alpha(index), background), seed=index)
        exr.write_rgb(plate.path(FIRST + index), rgb, like=like, depth="half", interop_id="lin_rec709_scene")
    return plate, trimap


def share_unknown(width: int, height: int, *, unknown: float) -> float:
    """Return the share of unknown pixels that a key really has, 0..1."""
    return float((Subject.sized(width, height, unknown=unknown).trimap(0) == 0.5).mean())


def _texture(subject: Subject) -> Floats:
    """Return H×W×3: waves of several lengths in green and blue."""
    y, x = np.ogrid[: subject.height, : subject.width]
    waves = sum(np.sin(x / length + 2 * np.cos(y / length / 1.3)) / (1 + k) for k, length in enumerate((97.0, 41.0, 13.0)))
    return np.asarray((0.2 + 0.08 * np.asarray(waves, np.float32))[..., None] * np.array([0.5, 1.0, 1.2], np.float32), np.float32)


def _mixed(alpha: Floats, background: Floats) -> Floats:
    warm = np.array([0.9, 0.5, 0.3], np.float32)
    return np.asarray(background + alpha[..., None] * (warm - background), np.float32)


def _grained(rgb: Floats, *, seed: int) -> Floats:
    grain = np.random.default_rng(seed).standard_normal(rgb.shape, np.float32)
    return np.asarray(rgb + grain * np.float32(GRAIN) * np.sqrt(np.maximum(rgb, 0)), np.float32)
