"""How sure stage 1 says it is of a frame."""

from __future__ import annotations

import math

import pytest
import torch

from bridge.solve.propagate import SMALLEST_BAND, confidence, disagreement, entropy


def certain(foreground: torch.Tensor) -> torch.Tensor:
    """Return 1×3×H×W probabilities: 1 for foreground where true, 1 for background elsewhere."""
    inside = foreground.float()[None, None]
    return torch.cat([1 - inside, torch.zeros_like(inside), inside], 1)


def test_passes_that_agree_do_not_disagree_and_opposite_ones_do_wholly() -> None:
    left = certain(torch.tensor([[True, False]]))
    right = certain(torch.tensor([[True, True]]))
    assert disagreement(left, left).tolist() == [[[[0.0, 0.0]]]]
    assert disagreement(left, right).tolist() == [[[[0.0, 1.0]]]]


def test_a_frame_without_doubt_is_wholly_trusted() -> None:
    probabilities = certain(torch.arange(100).reshape(10, 10) > 50)
    assert confidence(probabilities, entropy(probabilities)) == pytest.approx(1.0, abs=1e-2)


def test_doubt_is_measured_against_the_unknown_band() -> None:
    probabilities = certain(torch.zeros(10, 10, dtype=torch.bool))
    probabilities[0, :, :2] = 1 / 3
    assert confidence(probabilities, entropy(probabilities)) == pytest.approx(math.exp(-1.0), abs=1e-3)


def test_a_frame_without_a_subject_is_measured_against_the_smallest_band() -> None:
    probabilities = certain(torch.zeros(10, 10, dtype=torch.bool))
    assert confidence(probabilities, torch.full((1, 1, 10, 10), SMALLEST_BAND)) == pytest.approx(math.exp(-1.0))
