"""Trimaps: classes, widths around a roto matte, facts."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.imaging.trimap import classify, from_matte, inspect, to_values
from bridge.window import Window
from bridge.wire.errors import UsageError


def half_plane(width: int = 21) -> np.ndarray:
    matte = np.zeros((9, width), np.float32)
    matte[:, width // 2 :] = 1
    return matte


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_one_constant_divides_the_three_classes(dtype: type) -> None:
    values = np.array([[-1, 0, 0.049, 0.05, 0.5, 0.95, 0.951, 1, 37.5, -np.inf, np.inf, np.nan]], dtype)
    assert classify(values).tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 2, 1]]


def test_eight_bit_trimaps_fall_where_the_painter_meant_them() -> None:
    painted = np.array([[0, 12, 13, 64, 128, 192, 242, 243, 255]], np.uint8) / np.float32(255)
    assert classify(painted).tolist() == [[0, 0, 1, 1, 1, 1, 1, 2, 2]]


def test_values_and_classes_are_each_others_inverse() -> None:
    classes = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    values = to_values(classes)
    assert values.dtype == np.float32
    assert values.tolist() == [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]
    np.testing.assert_array_equal(classify(values), classes)


@pytest.mark.parametrize(("erode", "dilate"), [(0, 0), (1, 0), (0, 2), (3, 5), (2.5, 0.5)])
def test_a_straight_edge_gets_a_band_of_just_these_widths(erode: float, dilate: float) -> None:
    trimap = from_matte(half_plane(), erode=erode, dilate=dilate)
    row = trimap[4].tolist()
    assert row.count(1.0) == 11 - int(erode)
    assert row.count(0.0) == 10 - int(dilate)
    assert row == sorted(row)


def test_widths_are_euclidean_and_may_be_fractions() -> None:
    matte = np.zeros((11, 11), np.float32)
    matte[5, 5] = 1
    assert [int((from_matte(matte, erode=0, dilate=width) == 0.5).sum()) for width in (0.9, 1, 1.4, 1.5, 2, 2.3)] == [0, 4, 4, 8, 12, 20]


def test_soft_parts_of_a_matte_stay_unknown() -> None:
    matte = np.array([[0.0, 0.02, 0.3, 0.7, 0.97, 1.0]], np.float32)
    assert from_matte(matte, erode=0, dilate=0).tolist() == [[0.0, 0.0, 0.5, 0.5, 1.0, 1.0]]


def test_the_border_of_the_frame_is_not_an_edge() -> None:
    trimap = from_matte(half_plane(), erode=2, dilate=2)
    np.testing.assert_array_equal(trimap, np.tile(trimap[4], (9, 1)))
    assert trimap[0, 0] == 0
    assert trimap[0, -1] == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_matte_without_an_edge_gets_no_band(value: float) -> None:
    assert (from_matte(np.full((3, 4), value, np.float32), erode=9, dilate=9) == value).all()


def test_a_broken_pixel_of_a_matte_is_unknown() -> None:
    matte = np.ones((3, 5), np.float32)
    matte[1, 2] = np.nan
    assert (from_matte(matte, erode=0, dilate=0) == 0.5).sum() == 1


@pytest.mark.parametrize("width", [-1.0, float("nan"), float("inf")])
def test_a_width_that_makes_no_sense_is_refused_by_name(width: float) -> None:
    with pytest.raises(UsageError, match="dilate"):
        from_matte(half_plane(), erode=1, dilate=width)


def test_facts_are_shares_and_the_smallest_windows() -> None:
    classes = np.zeros((4, 10), np.uint8)
    classes[1:3, 2:7] = 1
    classes[1, 3] = 2
    facts = inspect(classes, window=Window(100, -5, 110, -1))
    assert (facts.background, facts.unknown, facts.foreground) == (0.75, 0.225, 0.025)
    assert facts.foreground_box == Window(103, -4, 104, -3)
    assert facts.unknown_box == Window(102, -4, 107, -2)
    assert facts.background_box == Window(100, -5, 110, -1)


def test_a_class_that_is_absent_has_no_window() -> None:
    facts = inspect(np.ones((2, 2), np.uint8))
    assert (facts.unknown, facts.unknown_box) == (1.0, Window(0, 0, 2, 2))
    assert (facts.foreground, facts.foreground_box, facts.background_box) == (0.0, None, None)
