"""Glitches: what makes one frame of a clip ambiguous while its neighbours are not, so that ST-FAM is needed; and loose trimaps.

Glitches are of four kinds, each on one frame: the background has the foreground's own colour in places; noise rises; the trimap
forgets what it knew in places, or its edge slips. In some clips the trimap's band swells anew on every frame.

A trimap that keeps its distance from what is soft gives alpha away by the distance alone. People and stage 1 do not paint so: in many
clips the band is therefore wider on either side, here more and there less.

A fifth of the clips is ambiguous in this way. Many are plain, as most photographs are: little noise, opaque things before something
out of focus, in colours that are not alike. The prior is nearly right there, and the network must learn to leave it alone. In hazy ones,
smoke and glass, nothing is certain foreground, and in open ones, twigs and openwork, seldom much. The others are left as they were
made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .degrade import Wear
from .footage import noise
from .trimaps import perturbed

Classes = NDArray[np.uint8]
KINDS = {"plain": 0.27, "ambiguous": 0.18, "hazy": 0.22, "open": 0.17, "usual": 0.16}  # shares of the clips
HIDDEN, NOISY, JUMPING, FORGOTTEN, SLIPPED, LOOSE = 0.35, 0.45, 0.45, 0.3, 0.25, 0.7  # of the ambiguous clips
TIDY = 0.5  # how much more seldom the others' bands jump and are loose
QUIET = 0.25  # the share of their noise that plain clips keep
OUTWARD, INWARD = 0.25, 0.12  # of the frame's short side, how far a loose band reaches at most
STILL = 0.2  # of the clips stand still, so that every change of alpha is an error
NEAR = 9  # pixels over which the foreground's colour is averaged to hide it
READ = 0.01  # noise that a noisy frame has at least, before its factor


@dataclass(frozen=True)
class Glitch:
    """A clip's glitches.

    hidden: T×H×W float32, 0..1, how far the background takes the foreground's colour; noisier: T, factors of noise; swell: T, pixels by
    which the unknown band grows; forgotten: T×H×W bool, where nothing is certain; slipped: T, how badly edges slip; loose: 2×H×W float32,
    pixels by which the band is wider towards background and towards foreground, on every frame; kind: one of KINDS.
    """

    hidden: NDArray[np.float32]
    noisier: tuple[float, ...]
    swell: tuple[int, ...]
    forgotten: NDArray[np.bool_]
    slipped: tuple[float, ...]
    loose: NDArray[np.float32]
    kind: str


def drawn_glitch(rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> Glitch:
    """Draw the glitches of a clip of frames of a height and a width; those between its ends are hit oftener."""
    hidden, forgotten = np.zeros((frames, *size), np.float32), np.zeros((frames, *size), bool)
    noisier, slipped = np.ones(frames), np.zeros(frames)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    ambiguous = kind == "ambiguous"
    tidy = 1.0 if ambiguous else TIDY
    if ambiguous and rng.random() < HIDDEN:
        hidden[_hit(rng, frames)] = np.clip(4 * (_patches(rng, size) - rng.uniform(0.45, 0.65)), 0, 1)
    if ambiguous and rng.random() < NOISY:
        noisier[_hit(rng, frames)] = rng.uniform(2.0, 6.0)
    swell = np.zeros(frames, int)
    if rng.random() < tidy * JUMPING:
        swell = (0.06 * min(size) * rng.random(frames) ** 2 + 0.5).astype(int)
    if ambiguous and rng.random() < FORGOTTEN:
        forgotten[_hit(rng, frames)] = _patches(rng, size) > rng.uniform(0.4, 0.65)
    if ambiguous and rng.random() < SLIPPED:
        slipped[_hit(rng, frames)] = rng.uniform(1.0, 2.0)
    loose = np.zeros((2, *size), np.float32)
    if rng.random() < tidy * LOOSE:
        loose = np.stack([_widths(rng, size, tidy * most * min(size)) for most in (OUTWARD, INWARD)])
    return Glitch(hidden, tuple(noisier.tolist()), tuple(swell.tolist()), forgotten, tuple(slipped.tolist()), loose, kind)


def moments(rng: np.random.Generator, *, times: Sequence[float]) -> NDArray[np.float64]:
    """Return T frame numbers: those given, or for a clip that stands still the first of them again and again."""
    return np.full(len(times), times[0], np.float64) if rng.random() < STILL else np.asarray(times, np.float64)


def camouflaged(background: Tensor, foreground: Tensor, glitches: Sequence[Glitch]) -> Tensor:
    """Return the background, B×T×3×H×W, with the foreground's mean colour nearby where it hides the foreground."""
    hidden = np.stack([g.hidden for g in glitches])
    if not hidden.any():
        return background
    share = torch.from_numpy(hidden).to(background.device)[:, :, None]
    near = F.avg_pool2d(foreground.flatten(0, 1), NEAR, 1, NEAR // 2, count_include_pad=False)
    return torch.lerp(background, near.view_as(foreground), share)


def worsened(wear: Wear, glitch: Glitch) -> Wear:
    """Return the wear of a clip with the noise of a glitch, or with little noise where it is plain."""
    if glitch.kind == "plain":
        return replace(wear, shot=QUIET * wear.shot, read=QUIET * wear.read, quality=max(85.0, wear.quality) if wear.quality else 0.0)
    if max(glitch.noisier) <= 1.0:
        return wear
    return replace(wear, read=max(wear.read, READ), worse=tuple(max(a, b) for a, b in zip(wear.worse, glitch.noisier, strict=True)))


def mistaken(rng: np.random.Generator, classes: Classes, glitch: Glitch) -> Classes:
    """Return T×H×W classes with a glitch: a wider band, patches that became unknown, an edge that slipped, no foreground."""
    result = np.stack([loosened(c, glitch.loose) for c in classes]) if glitch.loose.any() else classes.copy()
    for t, frame in enumerate(result):
        if glitch.slipped[t]:
            frame[:] = perturbed(rng, frame, amount=glitch.slipped[t])
        if glitch.swell[t]:
            brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * glitch.swell[t] + 1,) * 2)
            frame[cv2.dilate((frame == 1).astype(np.uint8), brush) > 0] = 1
    result[glitch.forgotten] = 1
    return np.minimum(result, 1) if glitch.kind == "hazy" else result


def loosened(classes: Classes, loose: NDArray[np.float32]) -> Classes:
    """Return H×W classes, unknown where they were or are nearer to it than `loose`, 2×H×W pixels for background and foreground."""
    known = (classes != 1).astype(np.uint8)
    if known.all():
        return classes.copy()
    away = cv2.distanceTransform(known, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.where(away <= np.where(classes == 2, loose[1], loose[0]), 1, classes).astype(np.uint8)


def _widths(rng: np.random.Generator, size: tuple[int, int], most: float) -> NDArray[np.float32]:
    """Return H×W widths, 0 in some places and up to `most` pixels in others."""
    reach = most * rng.random() ** 2
    return np.asarray(reach * np.clip(2.5 * (_patches(rng, size) - rng.uniform(0.0, 0.4)), 0, 1), np.float32)


def _hit(rng: np.random.Generator, frames: int) -> int:
    inside = frames > 2 and rng.random() < 0.75
    return int(rng.integers(1, frames - 1) if inside else rng.integers(frames))


def _patches(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    return noise(rng, max(size), cells=int(rng.integers(2, 7)))[: size[0], : size[1]]
