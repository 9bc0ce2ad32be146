"""Advice: the frames where the next key would help most. Pure numbers.

A frame's doubt is one minus its confidence. A key at f takes from frame g the share max(0, 1 - |g - f| / d) of its doubt, where d is how
far g lies from its nearest key: all of its own, none beyond the keys there are. The sum over g, for every f at once, is a sum of tents,
which two running sums of their corners give.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

MOST = 3
SMALL = 0.1  # doubt of a frame that is nothing to mend
WORTH = 0.5  # frames' worth of doubt a key must take away
Floats = NDArray[np.float64]


def advice(
    confidence: Mapping[int, float], keys: Collection[int], *, allowed: Collection[int] | None = None, most: int = MOST
) -> list[int]:
    """Return at most `most` frames, the best first; none where doubt is small or there is no key yet.

    confidence: 0..1 by frame. allowed: the frames that may become keys, when not all that are there.
    """
    if not confidence or not keys:
        return []
    frames = np.array(sorted(confidence), np.int64)
    sure = np.array([confidence[int(f)] for f in frames], np.float64)
    doubt = np.where(1.0 - sure > SMALL, np.clip(1.0 - sure, 0.0, 1.0), 0.0)
    distance = _distance(frames, np.array(sorted(keys), np.int64))
    may = np.isin(frames, np.array(sorted(set(frames.tolist() if allowed is None else allowed) - set(keys)), np.int64))
    found: list[int] = []
    while len(found) < most:
        gain = np.where(may, np.round(_gains(frames, doubt, distance), 9), 0.0)
        best = int(gain.argmax())
        if gain[best] < WORTH:
            break
        found.append(int(frames[best]))
        away = np.abs(frames - frames[best]).astype(np.float64)
        doubt = doubt * np.minimum(1.0, away / np.maximum(distance, 1.0))
        distance = np.minimum(distance, away)
        may[best] = False
    return found


def _distance(frames: NDArray[np.int64], keys: NDArray[np.int64]) -> Floats:
    """Return how far each frame lies from its nearest key."""
    right = np.searchsorted(keys, frames).clip(0, len(keys) - 1)
    left = (right - 1).clip(0)
    return np.asarray(np.minimum(np.abs(keys[right] - frames), np.abs(frames - keys[left])), np.float64)


def _gains(frames: NDArray[np.int64], doubt: Floats, distance: Floats) -> Floats:
    """Return the doubt that a key at each frame would take away."""
    first, reach = int(frames[0]), int(distance.max())
    corners = np.zeros(int(frames[-1]) - first + 2 * reach + 2)
    counts = (doubt > 0) & (distance > 0)
    centre, width = frames[counts] - first + reach, distance[counts].astype(np.int64)
    slope = doubt[counts] / distance[counts]
    for place, bend in ((centre - width, slope), (centre, -2 * slope), (centre + width, slope)):
        np.add.at(corners, place, bend)
    tents = np.cumsum(np.cumsum(corners))
    return np.asarray(tents[frames - first + reach - 1])
