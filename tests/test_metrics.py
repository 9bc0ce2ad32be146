"""The metrics against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.evaluation import metrics

EVERYWHERE = np.ones((2, 2), bool)


def test_sad_is_the_sum_of_absolute_errors_in_thousands() -> None:
    a, g = np.array([[0.5, 0.0], [1.0, 0.2]]), np.array([[0.0, 0.0], [0.5, 0.4]])
    assert metrics.sad(a, g, EVERYWHERE) == pytest.approx(1.2 / 1000)
    assert metrics.sad(a, g, np.array([[True, False], [False, False]])) == pytest.approx(0.5 / 1000)


def test_mse_is_the_mean_over_the_mask_and_zero_where_there_is_none() -> None:
    a, g = np.array([[0.5, 0.0], [1.0, 0.2]]), np.array([[0.0, 0.0], [0.5, 0.4]])
    assert metrics.mse(a, g, EVERYWHERE) == pytest.approx((0.25 + 0.25 + 0.04) / 4)
    assert metrics.mse(a, g, ~EVERYWHERE) == 0.0


def test_a_constant_error_does_not_flicker() -> None:
    g = np.random.default_rng(0).random((4, 5, 6))
    assert metrics.dtssd(g + 0.3, g, np.ones_like(g, bool)) == pytest.approx(0.0, abs=1e-9)


def test_dtssd_is_the_root_of_summed_squares_of_wrong_changes() -> None:
    g = np.zeros((3, 1, 2))
    a = np.array([[[0.0, 0.0]], [[0.3, 0.4]], [[0.3, 0.4]]])
    assert metrics.dtssd(a, g, np.ones_like(g, bool)) == pytest.approx((0.5 + 0.0) / 2)


def test_dtssd_takes_the_mask_of_a_pair_s_first_frame() -> None:
    g, a = np.zeros((2, 1, 2)), np.array([[[0.0, 0.0]], [[0.3, 0.4]]])
    mask = np.array([[[True, False]], [[False, True]]])
    assert metrics.dtssd(a, g, mask) == pytest.approx(0.3)


def test_flicker_is_the_mean_change_where_it_is_unknown() -> None:
    a = np.array([[[0.0, 0.0]], [[0.2, 0.8]]])
    assert metrics.flicker(a, np.ones_like(a, bool)) == pytest.approx(0.5)


def test_classes_agree_where_they_are_the_same() -> None:
    assert metrics.class_agreement(np.array([0, 1, 2, 2], np.uint8), np.array([0, 1, 1, 0], np.uint8)) == 0.5


def test_only_certain_pixels_can_be_wrongly_certain() -> None:
    predicted, alpha = np.array([0, 0, 2, 2, 1, 1], np.uint8), np.array([0.0, 0.5, 1.0, 0.5, 0.0, 1.0])
    assert metrics.wrongly_certain(predicted, alpha) == pytest.approx(2 / 6)
