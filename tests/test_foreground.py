"""The estimated foreground: exact where solid, better than the reference where not, steady under highlights."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.imaging.foreground import estimate_foreground

SHAPE = (144, 176)


def texture(random: np.random.Generator) -> np.ndarray:
    """Return H×W×3 float32 in 0..1 with detail at three sizes."""
    height, width = SHAPE
    layers = [(64, 0.6), (16, 0.3), (4, 0.1)]
    grids = [(random.random((height // size + 2, width // size + 2, 3)), share) for size, share in layers]
    return np.clip(sum(share * cv2.resize(g, (width, height), interpolation=cv2.INTER_CUBIC) for g, share in grids), 0, 1).astype(
        np.float32
    )


def hairy(random: np.random.Generator, *, blur: float) -> np.ndarray:
    """Return an alpha, H×W float32: a disc with strands, defocused by `blur` pixels."""
    height, width = SHAPE
    alpha = np.zeros((2 * height, 2 * width), np.float32)
    cv2.circle(alpha, (width, height), height // 2, 1, -1, cv2.LINE_AA)
    for angle in random.uniform(0, 2 * np.pi, 90):
        steps = angle + np.cumsum(random.normal(0, 0.25, 9))
        strand = np.array([width, height]) + 0.48 * height * np.array([np.cos(angle), np.sin(angle)])
        strand = strand + np.cumsum(7 * np.stack([np.cos(steps), np.sin(steps)], 1), 0)
        cv2.polylines(alpha, [strand.astype(np.int32)], False, float(random.uniform(0.4, 1)), int(random.integers(1, 4)), cv2.LINE_AA)
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
    alpha = cv2.GaussianBlur(alpha, (0, 0), blur) if blur else alpha
    alpha[alpha > 0.999], alpha[alpha < 0.001] = 1, 0
    return alpha


def composite(seed: int, *, blur: float = 0.0, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return plate, alpha and true foreground of a generated frame in scene-linear light."""
    random = np.random.default_rng(seed)
    foreground, background, alpha = gain * texture(random), 2 * gain * texture(random), hairy(random, blur=blur)
    return alpha[..., None] * foreground + (1 - alpha[..., None]) * background, alpha, foreground


def weighted_error(estimate: np.ndarray, foreground: np.ndarray, alpha: np.ndarray) -> float:
    return float(np.mean((alpha[..., None] * (estimate - foreground)) ** 2))


@pytest.fixture(scope="module")
def frame() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return composite(3)


def test_the_solid_plate_comes_back_value_for_value(frame) -> None:
    plate, alpha, _ = frame
    plate = plate.copy()
    plate[72, 88], plate[73, 88] = (37.5, -0.02, 0.18), (-1e-6, 70000.0, 1e20)
    foreground = estimate_foreground(plate, alpha)
    assert foreground.dtype == np.float32
    np.testing.assert_array_equal(foreground[alpha == 1], plate[alpha == 1])
    assert foreground[72, 88].tolist() == np.array([37.5, -0.02, 0.18], np.float32).tolist()


@pytest.mark.parametrize(("seed", "blur", "gain"), [(0, 0.0, 1.0), (1, 2.5, 1.0), (2, 0.0, 6.0), (3, 2.5, 6.0)])
def test_it_is_nearer_the_truth_than_the_reference_implementation(seed: int, blur: float, gain: float) -> None:
    pymatting = pytest.importorskip("pymatting", reason="pymatting is a development dependency")
    plate, alpha, truth = composite(seed, blur=blur, gain=gain)
    scale = 2 * gain
    reference = pymatting.estimate_foreground_ml(plate.astype(np.float64) / scale, alpha.astype(np.float64)) * scale
    assert weighted_error(estimate_foreground(plate, alpha), truth, alpha) < 0.9 * weighted_error(reference, truth, alpha)


def test_flat_colours_are_found_exactly() -> None:
    alpha = hairy(np.random.default_rng(5), blur=1.5)
    plate = alpha[..., None] * np.float32([4.0, 0.2, 0.05]) + (1 - alpha[..., None]) * np.float32([0.1, 0.9, 12.0])
    seen = alpha > 0.02
    np.testing.assert_allclose(estimate_foreground(plate, alpha)[seen], np.tile([4.0, 0.2, 0.05], (seen.sum(), 1)), rtol=0.06, atol=0.03)


def test_the_foreground_explains_the_plate_it_came_from(frame) -> None:
    plate, alpha, _ = frame
    foreground = estimate_foreground(plate, alpha)
    assert (alpha[..., None] * foreground - plate).max() < 1e-4


def test_one_highlight_inside_leaves_the_rest_of_the_frame_as_it_was(frame) -> None:
    plate, alpha, _ = frame
    lit = plate.copy()
    lit[72, 88] = 400.0
    change = np.abs(estimate_foreground(lit, alpha) - estimate_foreground(plate, alpha))
    assert change[72, 88].min() > 390
    change[72, 88] = 0
    assert change.max() < 1e-3


def test_one_highlight_on_the_edge_stays_where_it_is(frame) -> None:
    plate, alpha, _ = frame
    y, x = np.argwhere((alpha > 0.4) & (alpha < 0.6))[20]
    lit = plate.copy()
    lit[y, x] = 400.0
    change = alpha[..., None] * np.abs(estimate_foreground(lit, alpha) - estimate_foreground(plate, alpha))
    change[y - 3 : y + 4, x - 3 : x + 4] = 0
    assert change.max() < 0.1


def test_a_broken_pixel_reaches_no_other(frame) -> None:
    plate, alpha, _ = frame
    whole = estimate_foreground(plate, alpha)
    for value in (np.nan, np.inf, -np.inf):
        broken = plate.copy()
        broken[72, 88] = broken[2, 2] = value
        foreground = estimate_foreground(broken, alpha)
        assert np.isfinite(foreground).all()
        change = alpha[..., None] * np.abs(foreground - whole)
        change[72, 88] = 0
        assert change.max() < 1e-3


def test_clear_pixels_continue_the_nearest_foreground_smoothly() -> None:
    alpha = np.zeros((64, 96), np.float32)
    alpha[:, :30], alpha[:, 30:34] = 1, np.float32([0.8, 0.6, 0.4, 0.2])
    plate = alpha[..., None] * np.float32([0.9, 0.1, 0.1]) + (1 - alpha[..., None]) * np.float32([0.0, 0.0, 1.0])
    clear = estimate_foreground(plate, alpha)[:, 36:]
    np.testing.assert_allclose(clear, np.tile([0.9, 0.1, 0.1], (*clear.shape[:2], 1)), atol=0.05)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (5, 3), (65, 131)])
def test_any_size_and_any_flat_alpha_gives_finite_colours(shape: tuple[int, int], value: float) -> None:
    plate = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    foreground = estimate_foreground(plate, np.full(shape, value, np.float32))
    assert foreground.shape == plate.shape
    assert np.isfinite(foreground).all()
    if value == 1:
        np.testing.assert_array_equal(foreground, plate)


def test_half_plates_are_taken_as_they_are(frame) -> None:
    plate, alpha, _ = frame
    half = plate.astype(np.float16)
    np.testing.assert_array_equal(estimate_foreground(half, alpha), estimate_foreground(half.astype(np.float32), alpha))


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, (5, 6, 3), elements=st.floats(width=32)),
    arrays(np.float32, (5, 6), elements=st.one_of(st.sampled_from([0.0, 1.0, float("nan")]), st.floats(0, 1, width=32))),
)
def test_nothing_in_a_plate_or_an_alpha_makes_it_fail(plate: np.ndarray, alpha: np.ndarray) -> None:
    assert np.isfinite(estimate_foreground(plate, alpha)).all()
