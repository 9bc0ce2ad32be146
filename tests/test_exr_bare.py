"""EXR files of pixels that come from no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bridge import exr
from bridge.window import Window


def test_pixels_without_a_file_keep_their_windows_and_every_number(tmp_path: Path) -> None:
    data, display = Window(-3, 2, 4, 6), Window(0, 0, 16, 9)
    pixels = np.linspace(-0.02, 37.5, 4 * 7 * 3, dtype=np.float32).reshape(4, 7, 3)
    path = tmp_path / "plate.0001.exr"
    exr.write_rgb(path, pixels, like=exr.bare_header(data, display=display, pixel_aspect=2.0), interop_id="lin_rec709_scene")
    found = exr.read_plate(path)
    assert (found.header.data_window, found.header.display_window, found.header.pixel_aspect) == (data, display, 2.0)
    assert np.array_equal(found.rgb, pixels)
    assert found.header.colour_hints.interop_id == "lin_rec709_scene"
