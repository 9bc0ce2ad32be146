"""Optical flow, trimaps carried along it, and the classical methods, on pictures whose answer is known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.evaluation import metrics, peers
from bridge.imaging.flow import carried, dis_flow
from bridge.wire.errors import UsageError

SIDE = 64
Floats = NDArray[np.float32]


def pattern(*, across: float = 0.0, down: float = 0.0) -> Floats:
    """Return a smooth picture, 64×64×3, moved by any part of a pixel."""
    rows, columns = np.indices((SIDE, SIDE)).astype(np.float32)
    x, y = columns - across, rows - down
    waves = [np.sin(0.31 * x + 0.1 * y) + np.sin(0.23 * y - 0.05 * x), np.sin(0.17 * x + 0.29 * y), np.cos(0.4 * x) * np.cos(0.37 * y)]
    return np.stack([0.5 + 0.2 * w for w in waves], -1).astype(np.float32)


def disc(*, across: float = 0.0) -> NDArray[np.uint8]:
    """Return a trimap of a disc, moved sideways."""
    rows, columns = np.indices((SIDE, SIDE))
    distance = np.hypot(columns - 28 - across, rows - 32)
    return np.select([distance < 10, distance > 14], [2, 0], 1).astype(np.uint8)


def ramp() -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Return view, alpha and trimap of an orange veil over a blue wall, 1×40×48: alpha rises from 0 to 1 along the middle."""
    alpha = np.tile(np.clip((np.arange(48) - 12) / 24, 0, 1), (1, 40, 1)).astype(np.float32)
    rows, columns = np.indices((40, 48))
    shade = 0.9 + 0.1 * np.sin(0.5 * rows + 0.3 * columns)
    front, back = np.array([0.9, 0.5, 0.1]) * shade[..., None], np.array([0.1, 0.3, 0.8]) * shade[..., None]
    view = alpha[..., None] * front + (1 - alpha[..., None]) * back
    return view.astype(np.float32), alpha, np.select([alpha <= 0, alpha >= 1], [0, 2], 1).astype(np.uint8)


def test_dis_flow_says_column_then_row_from_the_first_picture_to_the_second() -> None:
    flow = dis_flow(pattern(), pattern(across=2.0, down=-1.0))
    assert flow.shape == (SIDE, SIDE, 2)
    assert np.median(flow[8:-8, 8:-8], (0, 1)) == pytest.approx((2.0, -1.0), abs=0.1)


def test_dis_flow_of_a_matte_serves_messddt() -> None:
    mattes = np.stack([pattern(across=3.0 * t)[..., 0] for t in range(3)])
    spoiled = mattes + pattern()[None, ..., 1] * 0.2
    flow = np.stack([dis_flow(a, b) for a, b in pairwise(mattes)])
    mask = np.zeros(mattes.shape, bool)
    mask[:, 12:-12, 12:-12] = True
    along = np.stack([m + 0.2 * pattern(across=3.0 * t)[..., 1] for t, m in enumerate(mattes)])
    assert metrics.messddt(along, mattes, mask, flow=flow).each < 0.1 * metrics.messddt(spoiled, mattes, mask, flow=flow).each


def test_a_carried_trimap_follows_motion_that_is_below_a_pixel_each_frame() -> None:
    pictures = [pattern(across=0.25 * t) for t in range(17)]
    found = carried(disc(), pictures)
    assert found.dtype == np.uint8
    assert np.array_equal(found[0], disc())
    assert metrics.class_agreement(found[-1], disc(across=4.0)) > 0.98
    assert metrics.class_agreement(disc(), disc(across=4.0)) < 0.93


def test_a_trimap_is_not_worn_off_where_nothing_moves() -> None:
    found = carried(disc(), [pattern()] * 5)
    assert metrics.class_agreement(found, np.stack([disc()] * 5)) == 1.0


@pytest.mark.parametrize("method", [peers.closed_form, peers.shared_matting])
def test_a_veil_over_a_wall_is_solved(method: Callable[..., Floats]) -> None:
    view, alpha, classes = ramp()
    found = method(view, classes)
    assert (found.shape, found.dtype) == ((1, 40, 48), np.float32)
    assert metrics.msad(found, alpha, classes == 1) < 0.03
    assert np.array_equal(found[classes != 1], alpha[classes != 1])


@pytest.mark.parametrize("method", [peers.closed_form, peers.shared_matting])
def test_a_frame_without_certain_foreground_has_no_answer_but_one_half(method: Callable[..., Floats]) -> None:
    view, _, classes = ramp()
    smoke = np.where(classes == 2, 1, classes).astype(np.uint8)
    assert not peers.solvable(smoke[0])
    assert np.array_equal(method(view, smoke), np.where(smoke == 0, 0.0, 0.5))


def test_a_frame_without_unknown_is_its_trimap() -> None:
    view, alpha, _ = ramp()
    sharp = np.where(alpha > 0.5, 2, 0).astype(np.uint8)
    assert np.array_equal(peers.closed_form(view, sharp), sharp / 2)


def test_whatever_a_method_answers_certain_pixels_stay_and_alpha_is_a_number_from_0_to_1(monkeypatch: pytest.MonkeyPatch) -> None:
    view, alpha, classes = ramp()
    answer = np.full(alpha.shape[1:], 1.5)
    answer[0] = np.nan
    monkeypatch.setattr(peers, "library", lambda: SimpleNamespace(estimate_alpha_cf=lambda picture, trimap: answer))
    found = peers.closed_form(view, classes)
    unknown = classes[0] == 1
    assert np.array_equal(found[0][~unknown], alpha[0][~unknown])
    assert set(found[0, 0][unknown[0]]) == {0.5}
    assert set(found[0, 1:][unknown[1:]]) == {1.0}


def test_a_solver_that_gives_up_leaves_its_frame_at_one_half(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(picture: Floats, trimap: Floats) -> Floats:
        raise ValueError("did not converge")

    view, _, classes = ramp()
    monkeypatch.setattr(peers, "library", lambda: SimpleNamespace(estimate_alpha_cf=gives_up))
    assert np.array_equal(peers.closed_form(view, classes), classes / 2)


def test_without_pymatting_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    view, _, classes = ramp()
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(UsageError, match=r"(?s)needs? pymatting.*pip install 'videomatte-bridge\[dev\]'.*--peers"):
        peers.closed_form(view, classes)
