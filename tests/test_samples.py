"""The sample files of the OpenEXR project, through the command: a result or a clear error."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import Videomatte
from shots import write_png

from bridge import exr
from bridge.wire.errors import ImageError

DATA = Path(os.environ.get("VIDEOMATTE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "exr"
SAMPLES = sorted(p for p in DATA.rglob("*.exr") if "Damaged" not in p.parts and "Beachball" not in p.parts) if DATA.is_dir() else []
REFUSED = {"Rec709_YC.exr": "chroma-subsampled", "Trunks.exr": "deep image", "WideFloatRange.exr": "no colour"}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLES, reason="no sample files: set VIDEOMATTE_DATA or unpack them into ../shared/data"),
]


def halves(plate: Path) -> np.ndarray:
    """Return a trimap of the plate's data window: left background, right foreground, a small square in the middle unknown."""
    try:
        window = exr.read_header(plate).data_window
    except ImageError:
        return np.zeros((4, 4), np.float32)
    trimap = np.zeros((window.height, window.width), np.float32)
    y, x = window.height // 2, window.width // 2
    trimap[:, x:] = 1
    trimap[max(0, y - 8) : y + 8, max(0, x - 8) : x + 8] = 0.5
    return trimap


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.relative_to(DATA).as_posix())
def test_every_sample_gives_a_matte_with_its_windows_or_a_clear_error(sample: Path, tmp_path: Path, videomatte: Videomatte) -> None:
    trimap, out = write_png(tmp_path / "t.png", halves(sample)), tmp_path / "m.exr"
    ran = videomatte("solve", sample, "--trimap", trimap, "--out", out, "--profile", "draft")
    if sample.name in REFUSED:
        assert ran.status == 3
        assert str(sample) in ran.err
        assert REFUSED[sample.name] in ran.err
        assert not out.exists()
        return
    assert ran.status == 0, ran.err
    plate, matte = exr.read_header(sample), exr.read_channel(out, channel="A")
    assert (matte.header.data_window, matte.header.display_window) == (plate.data_window, plate.display_window)
    certain = halves(sample) != 0.5
    assert np.array_equal(matte.values[certain], halves(sample)[certain])
    assert np.isfinite(matte.values).all()


def test_the_beachball_is_solved_from_the_alpha_of_its_first_frame(tmp_path: Path, videomatte: Videomatte) -> None:
    plate, key, out = DATA / "Beachball" / "singlepart.####.exr", tmp_path / "key.0001.exr", tmp_path / "out"
    first = plate.with_name("singlepart.0001.exr")
    assert videomatte("trimap", first, "--channel", "A", "--out", key, "--erode", 4, "--dilate", 4).status == 0
    ran = videomatte("solve", plate, "--trimap", key.with_name("key.####.exr"), "--out", f"{out}/")
    assert ran.status == 0, ran.err
    errors = []
    for frame in range(1, 9):
        own = exr.read_channel(plate.with_name(f"singlepart.{frame:04d}.exr"), channel="A")
        matte = exr.read_channel(out / f"singlepart_matte.{frame:04d}.exr", channel="A")
        assert matte.values.dtype == np.float32
        assert (matte.header.data_window, matte.header.display_window) == (own.header.data_window, own.header.display_window)
        for name in ("PixelAspectRatio", "screenWindowCenter", "screenWindowWidth"):
            assert matte.header.attribute(name) == own.header.attribute(name)
        errors.append(float(np.abs(matte.values - own.values).mean()))
    assert max(errors) < 0.05, errors
