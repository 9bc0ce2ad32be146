"""The metrics against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.evaluation import metrics
from bridge.imaging.connected import largest_piece

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
    before, after = np.array([[[True, False]], [[False, False]]]), np.array([[[False, False]], [[False, True]]])
    assert [metrics.flicker(a, m) for m in (before, after)] == pytest.approx([0.2, 0.8])
    assert metrics.flicker(a, before & after) == 0.0


def test_classes_agree_where_they_are_the_same() -> None:
    assert metrics.class_agreement(np.array([0, 1, 2, 2], np.uint8), np.array([0, 1, 1, 0], np.uint8)) == 0.5


def test_only_certain_pixels_can_be_wrongly_certain() -> None:
    predicted, alpha = np.array([0, 0, 2, 2, 1, 1], np.uint8), np.array([0.0, 0.5, 1.0, 0.5, 0.0, 1.0])
    assert metrics.wrongly_certain(predicted, alpha) == pytest.approx(2 / 6)


def test_msad_divides_by_the_pixels_of_the_mask() -> None:
    a, g = np.array([[0.5, 0.0], [1.0, 0.2]]), np.array([[0.0, 0.0], [0.5, 0.4]])
    assert metrics.msad(a, g, EVERYWHERE) == pytest.approx(1.2 / 4)
    assert metrics.msad(a, g, np.array([[True, True], [False, False]])) == pytest.approx(0.25)
    assert metrics.msad(a, g, ~EVERYWHERE) == 0.0


def test_ssda_is_the_root_of_summed_squares() -> None:
    a, g = np.array([[0.3, 0.0], [0.4, 0.9]]), np.zeros((2, 2))
    assert metrics.ssda(a, g, np.array([[True, True], [True, False]])) == pytest.approx(0.5)


def test_the_gradient_of_one_bright_pixel_is_the_kernel_itself() -> None:
    spot = np.zeros((21, 21))
    spot[10, 10] = 1.0
    steps = range(-4, 5)
    slope_norm = math.sqrt(sum((x * math.exp(-x * x / 3.92)) ** 2 for x in steps))
    bell_norm = math.sqrt(sum(math.exp(-x * x / 3.92) ** 2 for x in steps))
    length = metrics.gradient_length(spot)
    for y, x in ((0, 1), (2, 0), (3, -2), (4, 4)):
        expected = math.hypot(x, y) * math.exp(-(x * x + y * y) / 3.92) / (slope_norm * bell_norm)
        assert length[10 + y, 10 + x] == pytest.approx(expected, rel=1e-12)
    assert length[10, 10] == 0.0
    assert (length[10, 5], length[5, 10]) == (0.0, 0.0)


def test_a_ramp_has_the_same_gradient_everywhere_inside_and_none_across() -> None:
    ramp = np.tile(np.arange(15) / 16, (12, 1))
    bell = [math.exp(-x * x / 3.92) for x in range(-4, 5)]
    slope = [x * w for x, w in zip(range(-4, 5), bell, strict=True)]
    expected = sum(x * s for x, s in zip(range(-4, 5), slope, strict=True)) / 16 * sum(bell) / (math.hypot(*bell) * math.hypot(*slope))
    assert metrics.gradient_length(ramp)[:, 4:-4] == pytest.approx(np.full((12, 7), expected))


def test_the_border_is_replicated_so_that_a_flat_matte_has_no_gradient() -> None:
    flat = np.full((5, 6), 0.7)
    assert metrics.gradient_length(flat).max() == pytest.approx(0.0, abs=1e-12)


def test_gradient_error_is_the_squared_difference_of_lengths_over_the_mask() -> None:
    spot, nothing = np.zeros((21, 21)), np.zeros((21, 21))
    spot[10, 10] = 1.0
    everywhere = np.ones((21, 21), bool)
    assert metrics.gradient_error(spot, nothing, everywhere) == pytest.approx(2.0)
    assert metrics.gradient_error(1 - spot, spot, everywhere) == pytest.approx(0.0, abs=1e-12)
    assert metrics.gradient_error(spot, nothing, ~everywhere) == 0.0


def test_the_largest_piece_hangs_together_by_edges_not_by_corners() -> None:
    region = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 1, 0], [0, 0, 0, 1, 0]], bool)
    expected = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 0]], bool)
    assert np.array_equal(largest_piece(region), expected)
    assert np.array_equal(largest_piece(np.array([[1, 0, 1]], bool)), [[True, False, False]])
    assert not largest_piece(np.zeros((2, 3), bool)).any()
    assert largest_piece(np.ones((2, 3), bool)).all()


def test_conn_counts_an_island_that_does_not_hang_on() -> None:
    g = np.array([[1.0, 1.0, 1.0, 0.0, 0.0]])
    a = np.array([[1.0, 1.0, 1.0, 0.0, 0.6]])
    assert metrics.connectivity_error(a, g, np.ones_like(g, bool)) == pytest.approx(0.6)


def test_conn_counts_values_from_the_level_at_which_they_fall_off() -> None:
    g = np.array([[1.0, 0.9, 0.3]])
    a = np.array([[1.0, 0.35, 0.3]])
    # The second pixel falls off above 0.3, the third too: loose are 0.9 - 0.3 of the truth, and 0.05 of the matte, which 0.15 forgives.
    assert metrics.connectivity_error(a, g, np.ones_like(g, bool)) == pytest.approx(0.6)
    assert metrics.connectivity_error(a, g, np.array([[True, False, True]])) == 0.0


def test_conn_does_not_forgive_a_strong_island_where_the_weak_main_piece_ends() -> None:
    g = np.array([[0.5, 0.5, 0.5, 0.0, 0.8]])
    a = np.array([[0.5, 0.5, 0.5, 0.0, 0.9]])
    # The island was cut off below 0.1 already, although it is the largest piece from 0.6 on.
    assert metrics.connectivity_error(a, g, np.ones_like(g, bool)) == pytest.approx(0.1)


def test_conn_of_equal_mattes_is_nothing() -> None:
    g = np.random.default_rng(1).random((9, 7))
    assert metrics.connectivity_error(g, g, np.ones_like(g, bool)) == 0.0


def eighths(*shape: int) -> NDArray[np.float64]:
    """Return values that float arithmetic adds and squares without rounding."""
    return np.random.default_rng(5).integers(0, 9, shape) / 8


def published_gather(error: NDArray[np.float64], flow: NDArray[np.float64]) -> float:
    """Do as the code published with later papers does: swap row and column, and read the clip's first next frame for every pair."""
    row, column = np.indices(error.shape[1:])
    total = 0.0
    for now, motion in zip(error, flow, strict=False):
        x, y = (column + motion[..., 0]).astype(int), (row + motion[..., 1]).astype(int)
        total += float(np.abs(now**2 - error[1][x.clip(0, len(now) - 1), y.clip(0, now.shape[1] - 1)] ** 2).sum())
    return total / len(flow)


def test_messddt_of_an_error_that_stands_still_is_exactly_zero() -> None:
    g, error = eighths(4, 6, 6), eighths(1, 6, 6)
    flow = np.zeros((3, 6, 6, 2))
    found = metrics.messddt(g + error, g, np.ones_like(g, bool), flow=flow)
    assert (found.total, found.each, found.valid) == (0.0, 0.0, 3 * 36)
    assert published_gather(np.repeat(error, 4, 0), flow) > 1.0


def test_messddt_of_mattes_that_move_by_whole_pixels_is_zero_where_they_stay_in_the_frame() -> None:
    wide_a, wide_g = eighths(20, 30), 1 - eighths(20, 30) ** 2
    a, g = (np.stack([wide[6 - t : 14 - t, 4 + 2 * t : 16 + 2 * t] for t in range(4)]) for wide in (wide_a, wide_g))
    flow = np.tile(np.array([-2.0, 1.0]), (3, 8, 12, 1))
    mask = np.ones_like(g, bool)
    found = metrics.messddt(a, g, mask, flow=flow)
    assert (found.total, found.each, found.valid) == (0.0, 0.0, 3 * 7 * 10)
    assert metrics.messddt(a, g, mask, flow=flow[..., ::-1]).total > 1.0
    assert metrics.messddt(a, g, mask, flow=-flow).total > 1.0
    assert published_gather(a - g, flow) > 1.0


def test_messddt_reads_each_pair_s_own_next_frame() -> None:
    a = np.zeros((3, 1, 1))
    a[2] = 0.5
    found = metrics.messddt(a, np.zeros_like(a), np.ones_like(a, bool), flow=np.zeros((2, 1, 1, 2)))
    assert (found.total, found.each, found.valid) == (0.125, 0.125, 2)


def test_messddt_squares_what_it_read_between_pixels() -> None:
    g, a = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    a[0, 0, 0], a[1] = 1.0, [[0.0, 1.0], [0.0, 1.0]]
    mask = np.zeros_like(g, bool)
    mask[0, 0, 0] = True
    found = metrics.messddt(a, g, mask, flow=np.tile([0.25, 0.5], (1, 2, 2, 1)))
    assert found.total == pytest.approx(1 - 0.25**2)


def test_messddt_leaves_out_what_leaves_the_frame_and_what_the_flow_does_not_know() -> None:
    g = np.zeros((2, 1, 3))
    a = np.array([[[0.5, 0.5, 0.5]], [[0.0, 0.0, 0.0]]])
    flow = np.zeros((1, 1, 3, 2))
    flow[0, 0, 0, 0], flow[0, 0, 1] = -0.25, np.nan
    found = metrics.messddt(a, g, np.ones_like(g, bool), flow=flow)
    assert (found.total, found.each, found.valid) == (0.25, 0.25, 1)
    nothing = metrics.messddt(a, g, np.zeros_like(g, bool), flow=flow)
    assert (nothing.total, nothing.each, nothing.valid) == (0.0, 0.0, 0)
