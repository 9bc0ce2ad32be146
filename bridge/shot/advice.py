"""Advice: the frames where the next key would help most. Pure numbers.

How sure stage 1 is of a frame depends on the subject: hair is never as sure as a box. What tells of mistakes is how much surer it is right
beside the key than here. A frame's doubt is therefore 1 - c / c0, c its confidence and c0 that of the frame beside its nearest key.

A key at f takes from frame g the share max(0, 1 - |g - f| / d) of its doubt, where d is how far g lies from its nearest key: all of its
own, none beyond the keys there are. The sum over g, for every f at once, is a sum of tents, which two running sums of their corners give.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

MOST = 3
SMALL = 0.2  # doubt of a frame that is nothing to mend
WORTH = 0.5  # frames' worth of doubt that a key must take away
Floats = NDArray[np.float64]
Frames = NDArray[np.int64]


def advice(
    confidence: Mapping[int, float],
    keys: Collection[int],
    *,
    allowed: Collection[int] | None = None,
    approved: Collection[int] = (),
    most: int = MOST,
) -> list[int]:
    """Return at most `most` frames, the best first; none where doubt is small or there is no key yet.

    confidence: 0..1 by frame. allowed: the frames that may become keys, when not all that are there. approved: frames whose doubt does not
    count.
    """
    frames = np.array(sorted(set(confidence) - set(keys)), np.int64)
    if not len(frames) or not keys:
        return []
    doubt, distance = _doubt(frames, confidence, np.array(sorted(keys), np.int64))
    doubt = np.where(np.isin(frames, np.fromiter(approved, np.int64)), 0.0, doubt)
    may = np.isin(frames, np.fromiter(confidence if allowed is None else allowed, np.int64))
    found: list[int] = []
    while len(found) < most:
        gain = np.where(may, np.round(_gains(frames, doubt, distance), 9), 0.0)
        best = int(gain.argmax())
        if gain[best] < WORTH:
            break
        found.append(int(frames[best]))
        away = np.abs(frames - frames[best]).astype(np.float64)
        doubt = doubt * np.minimum(1.0, away / distance)
        distance = np.maximum(np.minimum(distance, away), 1.0)
        may[best] = False
    return found


def _doubt(frames: Frames, confidence: Mapping[int, float], keys: Frames) -> tuple[Floats, Floats]:
    """Return each frame's doubt, 0..1, nothing where it is small, and how far the frame lies from its nearest key."""
    sure = np.array([confidence[int(f)] for f in frames], np.float64)
    after = np.searchsorted(keys, frames)
    left = np.where(after > 0, frames - keys[(after - 1).clip(0)], np.iinfo(np.int64).max)
    right = np.where(after < len(keys), keys[after.clip(0, len(keys) - 1)] - frames, np.iinfo(np.int64).max)
    first, last = np.searchsorted(after, after, "left"), np.searchsorted(after, after, "right") - 1
    beside = np.where(left <= right, sure[first], sure[last])
    doubt = np.clip(1.0 - sure / np.maximum(beside, 1e-9), 0.0, 1.0)
    return np.where(doubt > SMALL, doubt, 0.0), np.minimum(left, right).astype(np.float64)


def _gains(frames: Frames, doubt: Floats, distance: Floats) -> Floats:
    """Return the doubt that a key at each frame would take away."""
    first, reach = int(frames[0]), int(distance.max())
    corners = np.zeros(int(frames[-1]) - first + 2 * reach + 2)
    centre, width, slope = frames - first + reach, distance.astype(np.int64), doubt / distance
    for place, bend in ((centre - width, slope), (centre, -2 * slope), (centre + width, slope)):
        np.add.at(corners, place, bend)
    tents = np.cumsum(np.cumsum(corners))
    return np.asarray(tents[frames - first + reach - 1])
