"""The frames of a shot that deserve a look, and why: failed or out of date, least sure, blinking, suddenly larger or smaller.

The rules:
- A number is remarkable where it is far from what the shot's frames have otherwise: beyond so many times their median deviation, and
  larger than what nobody would see.
- Of neighbours that are remarkable for the same reason, the worst is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .measure import Measure

UNSURE = 0.85
"""Confidence below which a frame may be named."""
FAR = 6.0
SEEN_FLICKER = 0.02
SEEN_JUMP = 0.08  # of what is covered
MOST_EACH, MOST = 3, 8
APART = 3  # frames


@dataclass(frozen=True)
class Look:
    """A frame to look at, why, and how bad it is within its kind; larger is worse."""

    frame: int
    why: str
    kind: str
    weight: float


def looks(measures: Sequence[Measure], *, confidence: Mapping[int, float], states: Mapping[int, str], keys: frozenset[int]) -> list[Look]:
    """Return the frames that deserve a look, those that cannot be delivered first, then the worst of every kind."""
    broken = [Look(f, state, state, 1.0) for f, state in sorted(states.items()) if state in ("failed", "stale", "unsolved")]
    unsure = [Look(f, f"least sure, {c:.2f}", "unsure", 1 - c) for f, c in confidence.items() if c < UNSURE and f not in keys]
    blinks = [(m.frame, m.flicker) for m in measures if m.flicker is not None]
    found = _spread(broken)
    for kind in (unsure, _blinking(blinks), _jumps(measures)):
        found += _spread(kind)
    merged: dict[int, Look] = {}
    for look in found:
        other = merged.get(look.frame)
        merged[look.frame] = look if other is None else Look(look.frame, f"{other.why}; {look.why}", other.kind, other.weight)
    return sorted(list(merged.values())[:MOST], key=lambda look: look.frame)


def _blinking(blinks: Sequence[tuple[int, float]]) -> Iterable[Look]:
    limit = max(SEEN_FLICKER, _far([value for _, value in blinks]))
    return [Look(f, f"blinks by {100 * value:.1f} % of its edge", "blinks", value) for f, value in blinks if value > limit]


def _jumps(measures: Sequence[Measure]) -> Iterable[Look]:
    pairs = [(b, _relative(a.covered, b.covered)) for a, b in pairwise(measures) if b.frame == a.frame + 1]
    limit = max(SEEN_JUMP, _far([abs(change) for _, change in pairs]))
    words = {True: "larger", False: "smaller"}
    return [
        Look(m.frame, f"suddenly {words[change > 0]}, by {100 * abs(change):.0f} %", "jumps", abs(change))
        for m, change in pairs
        if abs(change) > limit
    ]


def _relative(before: float, after: float) -> float:
    return (after - before) / max(before, after, 1e-3)


def _far(values: Sequence[float]) -> float:
    """Return the number from which on a value is remarkable among these."""
    if not values:
        return 0.0
    middle = float(np.median(values))
    return middle + FAR * float(np.median(np.abs(np.array(values) - middle)))


def _spread(found: Iterable[Look]) -> list[Look]:
    """Return the worst, none next to one that is worse."""
    chosen: list[Look] = []
    for look in sorted(found, key=lambda look: (-look.weight, look.frame)):
        if len(chosen) < MOST_EACH and all(abs(look.frame - other.frame) >= APART for other in chosen):
            chosen.append(look)
    return chosen
