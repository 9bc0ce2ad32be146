"""Local attention: windows lie where the matches say, and what is read there is what the reference has there."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bridge.models import local_attention
from bridge.models.local_attention import AROUND, CAUTION, CHANNELS, SIDE, Closeup, LocalAttention, best_matches, windows

OWN = [AROUND * SIDE + AROUND, AROUND * SIDE + AROUND + 1, (AROUND + 1) * SIDE + AROUND, (AROUND + 1) * SIDE + AROUND + 1]


def numbered(height: int, width: int, *, first: float = 0.0) -> Tensor:
    return torch.arange(first, first + height * width).view(1, 1, height, width)


def unlike(height: int, width: int, *, seed: int) -> Tensor:
    """Return keys N×CHANNELS×height×width of places that are hardly like each other."""
    keys = torch.randn(1, CHANNELS, height, width, generator=torch.Generator().manual_seed(seed))
    return 20 * torch.nn.functional.normalize(keys, dim=1)


@pytest.fixture
def attention() -> LocalAttention:
    torch.manual_seed(0)
    return LocalAttention(8, 12)


def test_a_window_lies_around_its_token() -> None:
    found = windows([numbered(8, 12)], torch.tensor([[0, 5, 23, 9]]))
    assert found.shape == (1, 4, SIDE * SIDE, 1)
    assert found[0, 3, OWN, 0].tolist() == [30, 31, 42, 43]  # token 9 of 4×6 is in row 1, column 3
    whole = found[0, 3, :, 0].view(SIDE, SIDE)
    assert torch.equal(whole, numbered(8, 12)[0, 0, 0 : 0 + SIDE, 4 : 4 + SIDE])


def test_a_window_at_the_edge_repeats_what_is_there() -> None:
    corner = windows([numbered(8, 12)], torch.tensor([[0]]))[0, 0, :, 0].view(SIDE, SIDE)
    assert corner[0].tolist() == [0, 0, 0, 1, 2, 3]
    assert corner[:, 0].tolist() == [0, 0, 0, 12, 24, 36]
    last = windows([numbered(8, 12)], torch.tensor([[23]]))[0, 0, :, 0].view(SIDE, SIDE)
    assert last[-1].tolist() == [92, 93, 94, 95, 95, 95]


def test_tokens_are_counted_through_references_of_different_sizes() -> None:
    found = windows([numbered(4, 4), numbered(2, 6, first=100)], torch.tensor([[3, 4, 6]]))
    assert [found[0, i, OWN, 0].tolist() for i in range(3)] == [[10, 11, 14, 15], [100, 101, 106, 107], [104, 105, 110, 111]]


def test_every_clip_of_a_batch_looks_at_its_own_reference() -> None:
    maps = torch.cat([numbered(4, 4), numbered(4, 4, first=50)])
    found = windows([maps], torch.tensor([[1], [2]]))
    assert found[0, 0, OWN, 0].tolist() == [2, 3, 6, 7]
    assert found[1, 0, OWN, 0].tolist() == [58, 59, 62, 63]


def test_the_best_match_is_the_same_however_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, keys = torch.randn(2, 50, 7), torch.randn(2, 30, 7)
    together = best_matches(queries, keys)
    assert torch.equal(together, (queries @ keys.transpose(1, 2)).argmax(-1))
    monkeypatch.setattr(local_attention, "AT_ONCE", 8)
    assert torch.equal(best_matches(queries, keys), together)


def test_a_frame_that_did_not_move_reads_its_own_trimap_and_colours(attention: LocalAttention) -> None:
    keys, values = unlike(8, 12, seed=1), torch.rand(1, 24, 8, 12)
    trimap, colours = attention(keys, [([Closeup(keys, values)], torch.arange(24)[None])])
    expected = torch.nn.functional.pixel_shuffle(values, 2)
    assert trimap.shape == colours.shape == (1, 3, 16, 24)
    assert torch.cat([trimap, colours], 1).sub(expected).abs().max() < 1e-3


def test_what_moved_by_a_place_is_found_in_the_window(attention: LocalAttention) -> None:
    keys, values = unlike(8, 12, seed=2), torch.rand(1, 24, 8, 12)
    moved = keys.roll((1, -2), (2, 3))
    trimap, _ = attention(moved, [([Closeup(keys, values)], torch.arange(24)[None])])
    expected = torch.nn.functional.pixel_shuffle(values.roll((1, -2), (2, 3)), 2)[:, :3]
    inside = (..., slice(4, 12), slice(6, 18))
    assert trimap[inside].sub(expected[inside]).abs().max() < 1e-3


def test_of_two_that_match_alike_the_solved_one_is_doubted(attention: LocalAttention) -> None:
    keys, best = unlike(4, 4, seed=3), torch.arange(4)[None]
    key, solved = Closeup(keys, torch.zeros(1, 24, 4, 4)), Closeup(keys, torch.ones(1, 24, 4, 4))
    trimap, _ = attention(keys, [([key], best), ([solved], best)])
    assert trimap.mean().item() == pytest.approx(1 / (1 + math.exp(float(attention.doubt.detach()) + CAUTION)), abs=1e-3)


def test_every_part_learns(attention: LocalAttention) -> None:
    s4, s8 = torch.randn(2, 8, 8, 8), torch.randn(2, 12, 4, 4)
    keys, best = attention.keys(s4, s8), torch.randint(0, 16, (2, 16))
    closeup = Closeup(keys, torch.rand(2, 24, 8, 8))
    trimap, colours = attention(keys, [([closeup], best), ([closeup], best)])
    (trimap.square().mean() + colours.square().mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in attention.parameters())
    assert all(float(p.grad.abs().max()) > 0 for name, p in attention.named_parameters() if p.grad is not None and "bias" not in name)
