"""Garbage and holdout mattes do exactly what a keyer's do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.imaging.holdout import apply_garbage, apply_holdout

MATTES = arrays(np.float32, (2, 5), elements=st.floats(0, 1, width=32))
ANYTHING = arrays(np.float32, (2, 5), elements=st.floats(width=32))


@settings(deadline=None)
@given(MATTES)
def test_nothing_painted_changes_nothing(alpha: np.ndarray) -> None:
    nothing = np.zeros_like(alpha)
    np.testing.assert_array_equal(apply_garbage(alpha, nothing), alpha)
    np.testing.assert_array_equal(apply_holdout(alpha, nothing), alpha)


@settings(deadline=None)
@given(MATTES)
def test_garbage_is_exactly_gone_and_holdout_exactly_solid(alpha: np.ndarray) -> None:
    full = np.ones_like(alpha)
    assert (apply_garbage(alpha, full) == 0).all()
    assert (apply_holdout(alpha, full) == 1).all()


def test_soft_garbage_fades_and_soft_holdout_never_thickens_an_edge() -> None:
    alpha, soft = np.array([[0.5, 0.8]], np.float32), np.array([[0.5, 0.25]], np.float32)
    np.testing.assert_allclose(apply_garbage(alpha, soft), [[0.25, 0.6]])
    np.testing.assert_allclose(apply_holdout(alpha, soft), [[0.5, 0.8]])


@settings(deadline=None)
@given(ANYTHING, ANYTHING)
def test_any_numbers_give_an_alpha(alpha: np.ndarray, painted: np.ndarray) -> None:
    for result in (apply_garbage(alpha, painted), apply_holdout(alpha, painted)):
        assert result.dtype == np.float32
        assert ((result >= 0) & (result <= 1)).all()


def test_a_broken_pixel_in_either_matte_counts_as_unpainted() -> None:
    alpha, broken = np.array([[0.7]], np.float32), np.array([[np.nan]], np.float32)
    assert apply_garbage(alpha, broken) == alpha
    assert apply_holdout(alpha, broken) == alpha
