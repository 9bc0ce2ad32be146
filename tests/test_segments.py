"""Segments, content keys and the flow of frames: pure parts of a solve."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.shot.content import ContentKeys, digest_of
from bridge.shot.segments import Segment, cut, matted_from, needed, neighbours, with_neighbours
from bridge.solve.flow import Behind, ahead

FRAMES = tuple(range(1001, 1011))
frame_sets = st.sets(st.integers(-50, 50), min_size=1, max_size=40)


def test_keys_cut_a_shot_into_head_spans_and_tail() -> None:
    assert cut(FRAMES, [1003, 1007]) == [
        Segment(None, 1003, (1001, 1002)),
        Segment(1003, 1007, (1004, 1005, 1006)),
        Segment(1007, None, (1008, 1009, 1010)),
    ]


def test_neighbouring_keys_leave_no_segment_between_them() -> None:
    assert cut(FRAMES, [1001, 1002, 1010]) == [Segment(1002, 1010, tuple(range(1003, 1010)))]


def test_a_shot_without_a_key_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="without a key"):
        cut(FRAMES, [])


@given(frame_sets, st.data())
def test_every_frame_is_a_key_or_in_exactly_one_segment(frames: set[int], data: st.DataObject) -> None:
    keys = data.draw(st.sets(st.sampled_from(sorted(frames)), min_size=1))
    inside = [f for s in cut(sorted(frames), keys) for f in s.frames]
    assert sorted(inside + list(keys)) == sorted(frames)


def test_a_tail_is_needed_only_as_far_as_the_last_wanted_frame_and_a_span_whole() -> None:
    head, span, tail = cut(FRAMES, [1003, 1007])
    assert needed(tail, {1008}) == Segment(1007, None, (1008,))
    assert needed(head, {1002}) == Segment(None, 1003, (1002,))
    assert needed(span, {1005}) == span
    assert needed(span, {1001}) is None


def test_a_neighbour_that_does_not_exist_is_the_frame_itself() -> None:
    assert neighbours(5, {4, 5, 6}) == (4, 6)
    assert neighbours(5, {5, 6}) == (5, 6)
    assert neighbours(5, {3, 5, 7}) == (5, 5)
    assert with_neighbours([5], {3, 4, 5, 7}) == {4, 5}


def test_a_matte_depends_on_five_frames_and_on_nothing_beyond_a_gap() -> None:
    assert matted_from([5], set(range(1, 11))) == {3, 4, 5, 6, 7}
    assert matted_from([5], {2, 3, 5, 6, 8}) == {5, 6}
    assert matted_from([1, 9], set(range(1, 10))) == {1, 2, 3, 7, 8, 9}


def content(plates: dict[int, str], keys: dict[int, str], settings: object = "s") -> ContentKeys:
    frames = tuple(sorted(plates))
    return ContentKeys(plate=plates.__getitem__, keys=keys, segments=cut(frames, keys), frames=frozenset(frames), settings=settings)


def changed(a: ContentKeys, b: ContentKeys, frames: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Frames whose trimap, and whose alpha, is named otherwise."""
    return [f for f in frames if a.trimap(f) != b.trimap(f)], [f for f in frames if a.alpha(f) != b.alpha(f)]


PLATES = {f: f"plate {f}" for f in range(1, 21)}


def test_an_added_key_makes_stale_what_lies_between_its_neighbours_and_nothing_else() -> None:
    before = content(PLATES, {5: "a", 15: "b"})
    after = content(PLATES, {5: "a", 10: "c", 15: "b"})
    trimaps, alphas = changed(before, after, tuple(PLATES))
    assert trimaps == list(range(6, 15))
    assert alphas == list(range(4, 17))


def test_a_repainted_last_key_makes_the_tail_stale_and_the_span_before_it() -> None:
    trimaps, alphas = changed(content(PLATES, {5: "a", 15: "b"}), content(PLATES, {5: "a", 15: "B"}), tuple(PLATES))
    assert trimaps == list(range(6, 21))
    assert alphas == list(range(4, 21))


def test_a_changed_plate_in_the_tail_makes_stale_only_what_lies_beyond_it() -> None:
    trimaps, alphas = changed(content(PLATES, {5: "a"}), content(PLATES | {12: "new"}, {5: "a"}), tuple(PLATES))
    assert trimaps == list(range(12, 21))
    assert alphas == list(range(10, 21))


def test_a_changed_plate_in_the_head_makes_stale_only_what_lies_before_it() -> None:
    trimaps, _ = changed(content(PLATES, {10: "a"}), content(PLATES | {4: "new"}, {10: "a"}), tuple(PLATES))
    assert trimaps == [1, 2, 3, 4]


def test_frames_that_arrive_late_do_not_change_earlier_ones() -> None:
    early = {f: p for f, p in PLATES.items() if f <= 12}
    trimaps, alphas = changed(content(early, {3: "a"}), content(PLATES, {3: "a"}), tuple(early))
    assert trimaps == []
    assert alphas == [11, 12]


def test_settings_name_everything_but_the_artist_s_own_trimap() -> None:
    trimaps, alphas = changed(content(PLATES, {1: "a"}, "s"), content(PLATES, {1: "a"}, "t"), tuple(PLATES))
    assert trimaps == list(range(2, 21))
    assert alphas == list(PLATES)


def test_asking_in_any_order_gives_the_same_names() -> None:
    one, two = content(PLATES, {3: "a"}), content(PLATES, {3: "a"})
    assert [one.trimap(f) for f in (20, 5, 11)] == [two.trimap(f) for f in (20, 5, 11)]
    assert two.trimap(5) == content(PLATES, {3: "a"}).trimap(5)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2, "é"]}) == digest_of({"b": [2, "é"], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_and_never_far_ahead(threads: int) -> None:
    begun: list[int] = []
    taken = 0
    for value in ahead(range(40), lambda n: begun.append(n) or n, depth=2, threads=threads):
        assert value == taken
        taken += 1
        time.sleep(0.001)
        assert len(begun) <= taken + 4
    assert taken == 40


def test_an_error_comes_where_its_result_would_have() -> None:
    def work(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    got: list[int] = []
    with pytest.raises(ValueError, match="three"):
        got.extend(ahead(range(9), work))
    assert got == [0, 1, 2]


def test_a_source_that_fails_does_not_take_the_results_before_it() -> None:
    def source() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no fourth")

    got: list[int] = []
    with pytest.raises(ValueError, match="no fourth"):
        got.extend(ahead(source(), lambda n: n, threads=2))
    assert got == [0, 1, 2]


def test_leaving_early_stops_the_thread_and_closes_its_source() -> None:
    def endless() -> Iterator[int]:
        n = 0
        while True:
            yield n
            n += 1

    stream = ahead(endless(), lambda n: n)
    assert next(stream) == 0
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]


def test_written_items_are_all_written_before_the_context_ends() -> None:
    written: list[int] = []
    with Behind(lambda n: (time.sleep(0.002), written.append(n))[1], depth=1) as behind:
        for n in range(10):
            behind.put(n)
    assert written == list(range(10))


def test_a_failed_write_is_raised_and_nothing_more_is_written() -> None:
    written: list[int] = []

    def work(n: int) -> None:
        if n == 2:
            raise OSError("disk")
        written.append(n)

    with pytest.raises(OSError, match="disk"):
        put_all(Behind(work), range(100))
    assert written == [0, 1]


def test_a_failing_body_drops_what_waits() -> None:
    written: list[int] = []
    slow = Behind(lambda n: (time.sleep(0.05), written.append(n))[1], depth=5)
    with pytest.raises(RuntimeError, match="body"):
        put_all(slow, range(5), then=RuntimeError("body"))
    assert len(written) <= 2


def put_all(behind: Behind[int], items: Iterable[int], *, then: Exception | None = None) -> None:
    with behind:
        for item in items:
            behind.put(item)
        if then is not None:
            raise then
