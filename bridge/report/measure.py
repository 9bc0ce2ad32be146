"""What can be measured of a sequence of mattes without knowing the truth: how much is covered, how much is soft, how much blinks.

The rules:
- A pixel blinks by what its alpha differs from the median of itself and its two neighbours in time. An edge that moves on does not
  blink: its alpha rises or falls. What is there for one frame only, or is gone for one, does.
- The flicker of a frame is the mean of that over its edge: the pixels that are soft or that blink.
- Frames are read one after the other, three are held at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
STILL = 1.0 / 255.0  # a difference that nobody sees
LEAST_EDGE = 64  # pixels


class Alpha(Protocol):
    """A reader of one frame's alpha: H×W float32 on the shot's canvas."""

    def __call__(self, frame: int, /) -> Floats: ...


@dataclass(frozen=True)
class Measure:
    """One frame: the share of the picture that is covered and that is soft, 0..1; flicker 0..1, None at the ends of a run of frames."""

    frame: int
    covered: float
    soft: float
    flicker: float | None = None


def measured(frames: Iterable[int], alpha: Alpha) -> Iterator[Measure]:
    """Yield the measure of every frame, in order. Neighbours in time are frames whose numbers are."""
    before: tuple[int, Floats] | None = None
    here: tuple[int, Floats] | None = None
    for frame in frames:
        after = frame, alpha(frame)
        if here is not None:
            yield _measure(before, here, after)
        before, here = here, after
    if here is not None:
        yield _measure(before, here, None)


def _measure(before: tuple[int, Floats] | None, here: tuple[int, Floats], after: tuple[int, Floats] | None) -> Measure:
    frame, alpha = here
    soft = (alpha > 0.0) & (alpha < 1.0)
    covered, share = float(alpha.mean(dtype=np.float64)), float(soft.mean())
    if before is None or after is None or before[0] != frame - 1 or after[0] != frame + 1:
        return Measure(frame, covered, share)
    return Measure(frame, covered, share, blinking(before[1], alpha, after[1]))


def blinking(before: Floats, alpha: Floats, after: Floats) -> float:
    """Return the flicker of the frame in the middle, 0..1. All H×W float32."""
    low, high = np.minimum(before, after), np.maximum(before, after)
    away = np.abs(alpha - np.clip(alpha, low, high))
    edge = ((alpha > 0.0) & (alpha < 1.0)) | (away > STILL)
    return float(away.sum(dtype=np.float64) / max(int(edge.sum()), LEAST_EDGE))
