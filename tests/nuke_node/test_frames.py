"""Frame lists as artists type them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("", ()),
        ("1001", (1001,)),
        ("1001,1040-1100x20", (1001, 1040, 1060, 1080, 1100)),
        ("1003 1001,  1002", (1001, 1002, 1003)),
        ("-5--3,-1-1", (-5, -4, -3, -1, 0, 1)),
        ("1-4x2,2", (1, 2, 3)),
    ],
)
def test_a_list_is_read(text: str, frames: tuple[int, ...], nuke: Any) -> None:
    from videomatte_nuke.frames import parsed

    assert parsed(text, what="Key frames") == frames


@pytest.mark.parametrize("text", ["x", "1-", "10-1", "1-10x0", "1..5", "1-9999999"])
def test_what_is_no_list_is_refused_by_the_knobs_name(text: str, nuke: Any) -> None:
    from videomatte_nuke.complaints import NodeError
    from videomatte_nuke.frames import parsed

    with pytest.raises(NodeError, match=r"^Key frames: "):
        parsed(text, what="Key frames")


def test_what_is_written_is_read_back(nuke: Any) -> None:
    from videomatte_nuke.frames import parsed, written

    @given(st.sets(st.integers(-2000, 2000)))
    def back(frames: set[int]) -> None:
        assert parsed(written(frames), what="x") == tuple(sorted(frames))

    back()
    assert written([3, 1, 2, 7, 9, 10]) == "1-3,7,9-10"
