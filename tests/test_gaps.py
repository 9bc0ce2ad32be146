"""Foregrounds with gaps: holes are sharp, lie inside what they pierce, and the background can be seen through them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from bridge.training.foregrounds import pooled
from bridge.training.gaps import pierced, twigs
from bridge.training.openwork import PATTERNS, Floats, patterned


def holes(alpha: np.ndarray) -> int:
    """Count the places of background that foreground closes in."""
    count, _, stats, _ = cv2.connectedComponentsWithStats((alpha < 64).astype(np.uint8), connectivity=4)
    height, width = alpha.shape
    inside = [s for s in stats[1:count] if s[0] > 0 and s[1] > 0 and s[0] + s[2] < width and s[1] + s[3] < height]
    return len(inside)


def test_twigs_leave_gaps_between_them() -> None:
    drawn = [twigs(np.random.default_rng(k), 128) for k in range(8)]
    assert all(a.shape == (128, 128) and c.shape == (128, 128, 3) for a, c in drawn)
    assert sum(holes(a) > 8 for a, _ in drawn) >= 5
    assert all(0.03 < (a > 127).mean() < 0.6 for a, _ in drawn)


def test_a_tube_is_brighter_along_its_middle_than_at_its_rims() -> None:
    ratios = []
    for seed in range(20):
        alpha, colour = twigs(np.random.default_rng(seed), 256)
        outside = alpha < 5
        near = cv2.dilate(outside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        rim, middle = (alpha > 250) & near, (alpha > 250) & ~near
        assert min(int(rim.sum()), int(middle.sum())) > 50
        ratios.append(colour[middle].mean() / colour[rim].mean())
    assert np.mean(ratios) > 1.05


def test_holes_are_cut_from_what_is_solid_and_add_nothing() -> None:
    solid = np.zeros((128, 128), np.uint8)
    solid[20:108, 20:108] = 255
    found = [pierced(np.random.default_rng(k), solid) for k in range(6)]
    assert all((f <= solid).all() for f in found)
    assert sum(holes(f) >= 4 for f in found) >= 5
    assert all(0.001 < 1 - f[20:108, 20:108].mean() / 255 < 0.7 for f in found)


def test_nothing_solid_stays_as_it_is() -> None:
    empty = np.zeros((32, 32), np.uint8)
    assert pierced(np.random.default_rng(0), empty) is empty


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_a_pattern_covers_part_of_the_picture_everywhere(pattern: Callable[[np.random.Generator, int], Floats]) -> None:
    drawn = [pattern(np.random.default_rng(k), 192) for k in range(12)]
    assert all(a.shape == (192, 192) and a.min() >= 0 and a.max() <= 1 for a in drawn)
    shares = np.array([[q.mean() for h in np.split(a, 2) for q in np.split(h, 2, axis=1)] for a in drawn])
    assert 0.2 < shares.mean() < 0.8
    assert ((shares > 0.02) & (shares < 0.98)).mean() > 0.9
    assert len({round(float(a.mean()), 4) for a in drawn}) == 12


def test_openwork_is_sharp_or_soft_and_now_and_then_seen_through() -> None:
    drawn = [patterned(np.random.default_rng(k), 128) for k in range(60)]
    densest = np.array([np.quantile(a, 0.99) for a in drawn])
    assert 0.05 < (densest < 240).mean() < 0.4
    soft = np.array([((a > 0.1 * m) & (a < 0.9 * m)).mean() for a, m in zip(drawn, densest, strict=True)])
    assert soft.min() < 0.15
    assert soft.max() > 0.4


@pytest.mark.parametrize("family", ["twigs", "holed", "openwork"])
def test_families_with_gaps_are_drawn_from_the_pool(family: str) -> None:
    assert max(holes(pooled(family, number)[0]) for number in range(4)) > 8
