"""Pixels moved between windows, and the window of a trimap that comes without a useful one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.imaging.canvas import fit, place
from bridge.window import Window
from bridge.wire.errors import WindowError

HD = Window(0, 0, 192, 108)
OVERSCAN = Window(-10, -10, 202, 118)
CROP = Window(20, 30, 100, 80)


def blank(window: Window) -> np.ndarray:
    return np.zeros((window.height, window.width), np.float32)


def fitted(own_data: Window, own_display: Window, plate_data: Window, *, windowed: bool = True) -> Window:
    return fit(
        blank(own_data),
        own_data=own_data,
        own_display=own_display,
        plate_data=plate_data,
        plate_display=HD,
        name="key.1001.png",
        windowed=windowed,
    )


def test_pixels_stay_where_they_are_on_the_display() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    moved = place(array, of=Window(10, 20, 14, 23), into=Window(12, 19, 16, 22), fill=-1)
    assert moved.tolist() == [[-1, -1, -1, -1], [2, 3, -1, -1], [6, 7, -1, -1]]


def test_channels_and_types_are_kept() -> None:
    moved = place(np.ones((2, 2, 3), np.float16), of=Window(0, 0, 2, 2), into=Window(1, 1, 4, 3))
    assert (moved.shape, moved.dtype) == ((2, 3, 3), np.float16)
    assert moved.sum() == 3


def test_windows_that_never_meet_leave_only_the_fill() -> None:
    assert (place(np.ones((2, 2)), of=Window(0, 0, 2, 2), into=Window(50, 50, 53, 52), fill=0.5) == 0.5).all()


def test_equal_windows_cost_nothing() -> None:
    array = np.ones((2, 2))
    assert place(array, of=Window(3, 3, 5, 5), into=Window(3, 3, 5, 5)) is array


def test_an_array_that_does_not_fill_its_window_is_refused() -> None:
    with pytest.raises(WindowError, match="2×3"):
        place(np.ones((3, 2)), of=Window(0, 0, 3, 2), into=HD)


@settings(deadline=None)
@given(*[st.integers(-6, 6) for _ in range(4)], *[st.integers(1, 6) for _ in range(4)])
def test_going_out_and_coming_back_loses_only_what_was_outside(x: int, y: int, u: int, v: int, w: int, h: int, a: int, b: int) -> None:
    here, there = Window(x, y, x + w, y + h), Window(u, v, u + a, v + b)
    array = np.arange(1, w * h + 1).reshape(h, w)
    back = place(place(array, of=here, into=there), of=there, into=here)
    common = here.intersection(there)
    expected = np.zeros_like(array)
    if not common.empty:
        expected[here.slices(common)] = array[here.slices(common)]
    np.testing.assert_array_equal(back, expected)


def test_a_trimap_with_the_plates_display_window_lies_on_its_own_data_window() -> None:
    assert fitted(CROP, HD, OVERSCAN) == CROP


def test_a_trimap_of_the_data_windows_size_lies_there() -> None:
    assert fitted(Window(0, 0, 212, 128), Window(0, 0, 212, 128), OVERSCAN) == OVERSCAN


def test_else_one_of_the_display_windows_size_lies_there() -> None:
    assert fitted(Window(5, 5, 197, 113), Window(5, 5, 197, 113), CROP) == HD


def test_a_file_without_windows_prefers_the_data_window() -> None:
    shifted = HD.shifted(7, 0)
    assert fitted(HD, HD, shifted, windowed=False) == shifted
    assert fitted(HD, HD, shifted) == HD
    assert fitted(HD, HD, CROP, windowed=False) == HD


def test_a_trimap_that_fits_nothing_is_refused_with_every_number() -> None:
    with pytest.raises(WindowError) as caught:
        fitted(Window(0, 0, 96, 54), Window(0, 0, 96, 54), CROP)
    for fact in ("key.1001.png", "96×54", "80×50 at (20, 30)", "192×108 at (0, 0)"):
        assert fact in caught.value.message
    assert caught.value.remedy
    assert caught.value.file == "key.1001.png"
