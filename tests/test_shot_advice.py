"""Where the next key would help most, from numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.shot.advice import advice


def sure(frames: range, low: dict[int, float], *, otherwise: float = 0.98) -> dict[int, float]:
    return {f: low.get(f, otherwise) for f in frames}


def by_hand(confidence: dict[int, float], keys: set[int]) -> dict[int, float]:
    """Return the doubt that a key at each frame takes away, summed frame by frame."""
    open_to_keys = sorted(set(confidence) - keys)

    def doubt(g: int) -> float:
        key = min(sorted(keys), key=lambda k: abs(g - k))
        beside = min((f for f in open_to_keys if (f > key) == (g > key)), key=lambda f: abs(f - key))
        found = max(0.0, 1 - confidence[g] / confidence[beside])
        return found if found > 0.2 else 0.0

    doubts = {g: (doubt(g), min(abs(g - k) for k in keys)) for g in open_to_keys}
    return {f: sum(d * max(0.0, 1 - abs(g - f) / far) for g, (d, far) in doubts.items()) for f in open_to_keys}


def test_a_doubtful_stretch_gets_a_key_in_its_middle() -> None:
    low = {f: 0.3 for f in range(1040, 1047)}
    assert advice(sure(range(1001, 1101), low), {1001, 1100}) == [1043]


def test_two_stretches_get_a_key_each_the_worse_one_first() -> None:
    low = {**{f: 0.5 for f in range(1020, 1027)}, **{f: 0.2 for f in range(1070, 1077)}}
    assert advice(sure(range(1001, 1101), low), {1001, 1100})[:2] == [1073, 1023]


def test_nothing_is_advised_where_the_shot_is_as_sure_as_beside_its_keys() -> None:
    """Hair is never as sure as a box: only the loss counts."""
    assert advice(sure(range(100), {}, otherwise=0.91), {0, 99}) == []
    assert advice(sure(range(100), {}, otherwise=0.3), {0, 99}) == []
    assert advice(sure(range(100), {50: 0.7}), {0, 99}) == []
    assert advice({f: 0.6 - 0.001 * f for f in range(100)}, {0}) == []


def test_a_shot_without_a_key_or_with_nothing_but_keys_gets_no_advice() -> None:
    assert advice(sure(range(100), {50: 0.1}), set()) == []
    assert advice(sure(range(9), {4: 0.0}), set(range(9))) == []
    assert advice({}, {1}) == []


def test_what_gets_lost_on_the_way_gets_a_key_far_from_the_first() -> None:
    """A subject that turns away from the only key: 0.6 beside it, half of that at the end."""
    found = advice({f: 0.6 * 0.97**f for f in range(24)}, {0})
    assert 13 <= found[0] <= 18


def test_no_frame_is_advised_that_may_not_be_a_key_and_at_most_three() -> None:
    low = {1: 0.9, 98: 0.9, **{f: 0.2 for f in range(2, 98)}}
    open_to_keys = set(range(100)) - set(range(40, 60))
    found = advice(low, {0, 99}, allowed=open_to_keys)
    assert len(found) == len(set(found)) == 3
    assert set(found) <= open_to_keys - {0, 99}
    assert len(advice(low, {0, 99}, most=50)) > 3


@pytest.mark.parametrize("seed", range(8))
def test_the_best_frame_is_the_one_that_takes_most_doubt_away(seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = sorted(random.choice(np.arange(-40, 90), 60, replace=False).tolist())
    keys = set(random.choice(frames, 3, replace=False).tolist())
    confidence = {f: 1.0 if f in keys else float(random.uniform(0.2, 1.0)) for f in frames}
    gains = by_hand(confidence, keys)
    assert gains[advice(confidence, keys, most=1)[0]] == pytest.approx(max(gains.values()), abs=1e-6)


def test_ten_thousand_frames_are_weighed_at_once() -> None:
    """Frame by frame and pair by pair this would be three hundred million steps."""
    low = {f: 0.3 for f in range(7_000, 7_201)}
    found = advice(sure(range(10_000), low), {0, 9_999})
    assert found[0] == pytest.approx(7_100, abs=40)
