"""Motion between a frame and its neighbours, by dense inverse search."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.imaging.flow import motion_to_neighbours
from bridge.models.steadying import REFINEMENTS

Bytes = NDArray[np.uint8]


def texture(seed: int = 0) -> Bytes:
    noise = np.random.default_rng(seed).random((160, 200)).astype(np.float32)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 0, 255, cv2.NORM_MINMAX)).astype(np.uint8)


@pytest.mark.parametrize("refinements", [0, REFINEMENTS])
@pytest.mark.parametrize("finest", [1, 2])
def test_motion_says_row_then_column_to_the_frame_before_then_to_the_one_after(finest: int, refinements: int) -> None:
    centre = texture()
    before, after = np.roll(centre, (4, -6), (0, 1)), np.roll(centre, (-3, 2), (0, 1))
    found = motion_to_neighbours(before, centre, after, finest=finest, refinements=refinements)
    assert found.shape == (4, 160, 200)
    assert found.dtype == np.float32
    inside = found[:, 30:-30, 30:-30]
    assert np.median(inside, (1, 2)) == pytest.approx([4, -6, -3, 2], abs=0.25)


@pytest.mark.parametrize("refinements", [0, REFINEMENTS])
def test_nothing_moves_between_a_frame_and_itself(refinements: int) -> None:
    centre = texture()
    assert not motion_to_neighbours(centre, centre, centre, finest=1, refinements=refinements).any()


@pytest.mark.parametrize("refinements", [0, REFINEMENTS])
def test_motion_does_not_depend_on_how_many_threads_search(refinements: int) -> None:
    centre, before = texture(), texture(1)
    kept, found = cv2.getNumThreads(), []
    try:
        for threads in (1, 2, 3, 8):
            cv2.setNumThreads(threads)
            found.append(motion_to_neighbours(before, centre, np.roll(centre, 9, 1), finest=1, refinements=refinements))
    finally:
        cv2.setNumThreads(kept)
    assert all(np.array_equal(found[0], other) for other in found)


@pytest.mark.parametrize("refinements", [0, REFINEMENTS])
@pytest.mark.parametrize("size", [(32, 64), (33, 65), (64, 32)])
def test_the_smallest_regions_have_motion_too(size: tuple[int, int], refinements: int) -> None:
    small = texture()[: size[0], : size[1]].copy()
    assert np.isfinite(motion_to_neighbours(small, small, small[::-1].copy(), finest=2, refinements=refinements)).all()
