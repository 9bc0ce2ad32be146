"""Key frames: which picture and channel of a file is the trimap, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray
from shots import disc, picture, trimap, write_exr

from bridge import exr
from bridge.imaging.trimap import classify
from bridge.sequence import Sequence
from bridge.shot import keys
from bridge.shot.plates import Plates
from bridge.shot.request import Request
from bridge.solve.events import Began
from bridge.solve.run import solve
from bridge.wire.errors import ImageError, VideoMatteError, WindowError

Floats = NDArray[np.float32]
ALPHA = disc(0, width=48, height=32)
TRIMAP = trimap(ALPHA)
OTHER = np.ascontiguousarray(TRIMAP[:, ::-1])


def layered(path: Path) -> Path:
    """Write a plate with its own A and a painted trimap in the layer `roto`, as one Nuke Write of all channels does."""
    rgb = picture(ALPHA)
    channels = dict(zip("RGB", np.moveaxis(rgb, 2, 0).copy(), strict=True)) | {"A": OTHER, "roto.a": TRIMAP}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))
    return path


def in_parts(path: Path) -> Path:
    """Write the same, each layer a part of its own, its channel called A in both."""
    parts = [OpenEXR.Part({"name": name, "type": OpenEXR.scanlineimage}, {"A": a}) for name, a in (("main", OTHER), ("roto", TRIMAP))]
    OpenEXR.File(parts).write(str(path))
    return path


def stereo(path: Path, left: dict[str, Floats], right: dict[str, Floats]) -> Path:
    """Write two views as parts."""
    parts = []
    for view, channels in (("left", left), ("right", right)):
        parts.append(OpenEXR.Part({"name": view, "view": view, "type": OpenEXR.scanlineimage}, channels))
    OpenEXR.File(parts).write(str(path))
    return path


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return write_exr(tmp_path / "plate.0001.exr", picture(ALPHA))


def classes_of(plate: Path, file: Path, *, channel: str | None = None, view: str | None = None) -> tuple[keys.Key, keys.Classes]:
    return next(keys.read({1: file}, Plates(Sequence.parse(plate), view=view), channel=channel))


@pytest.mark.parametrize("channel", ["roto.a", "roto"])
@pytest.mark.parametrize("write", [layered, in_parts])
def test_a_trimap_may_lie_in_a_layer_of_its_file(plate: Path, tmp_path: Path, write: object, channel: str) -> None:
    file = write(tmp_path / "key.0001.exr")  # type: ignore[operator]
    _, found = classes_of(plate, file, channel=channel)
    assert np.array_equal(found, classify(TRIMAP))
    _, found = classes_of(plate, file, channel="A")
    assert np.array_equal(found, classify(OTHER))


@pytest.mark.parametrize("write", [layered, in_parts])
def test_another_layer_of_the_same_file_is_another_key(plate: Path, tmp_path: Path, write: object) -> None:
    file = write(tmp_path / "key.0001.exr")  # type: ignore[operator]
    digests = {classes_of(plate, file, channel=channel)[0].digest for channel in ("A", "roto", None)}
    assert len(digests) == 2


def test_the_view_of_the_plate_chooses_the_view_of_a_stereo_trimap(tmp_path: Path) -> None:
    rgb = dict(zip("RGB", np.moveaxis(picture(ALPHA), 2, 0).copy(), strict=True))
    plate = stereo(tmp_path / "plate.0001.exr", rgb, rgb)
    file = stereo(tmp_path / "key.0001.exr", {"A": OTHER}, {"A": TRIMAP})
    for view, truth in (("left", OTHER), ("right", TRIMAP), (None, OTHER)):
        assert np.array_equal(classes_of(plate, file, view=view)[1], classify(truth))


def test_a_channel_that_is_nowhere_is_refused(plate: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no channel 'rotto\.a'"):
        classes_of(plate, layered(tmp_path / "key.0001.exr"), channel="rotto.a")


def test_a_matte_is_placed_by_its_own_window(plate: Path, tmp_path: Path) -> None:
    file = write_exr(tmp_path / "garbage.exr", np.ones((8, 8), np.float32), display=(48, 32))
    values = keys.read_matte(file, onto=exr.read_header(plate)).values
    assert values.shape == (32, 48)
    assert values[:8, :8].min() == 1.0
    assert values.sum() == 64.0


def test_every_error_about_a_file_of_a_frame_carries_the_frame(plate: Path, tmp_path: Path) -> None:
    plates, key = Plates(Sequence.parse(tmp_path / "plate.####.exr")), tmp_path / "key.0001.exr"
    key.write_bytes(b"no image")
    with pytest.raises(ImageError) as damaged:
        next(keys.read({1: key}, plates))
    write_exr(key, np.ones((5, 5), np.float32))
    with pytest.raises(WindowError) as another_size:
        next(keys.read({1: key}, plates))
    plate.write_bytes(b"")
    with pytest.raises(ImageError) as header:
        plates.header(1)
    with pytest.raises(ImageError) as pixels:
        plates.read(1)
    assert [e.value.frame for e in (damaged, another_size, header, pixels)] == [1, 1, 1, 1]


@pytest.mark.parametrize("spoilt", ["garbage", "holdout", "out"])
def test_an_error_while_a_frame_is_written_carries_the_frame(plate: Path, tmp_path: Path, spoilt: str) -> None:
    for name in ("garbage", "holdout"):
        write_exr(tmp_path / f"{name}.0001.exr", np.zeros((32, 48), np.float32))
    write_exr(tmp_path / "key.0001.exr", TRIMAP)
    files = {name: Sequence.parse(tmp_path / f"{name}.####.exr") for name in ("plate", "key", "garbage", "holdout", "out")}
    request = Request(files["plate"], files["key"], files["out"], garbage=files["garbage"], holdout=files["holdout"], device="cpu")

    def tell(event: object) -> None:
        if isinstance(event, Began):
            files[spoilt].path(1).unlink(missing_ok=True)
            files[spoilt].path(1).mkdir()

    with pytest.raises(VideoMatteError) as caught:
        solve(request, tell=tell)
    assert (caught.value.frame, caught.value.exit_status) == (1, 4 if spoilt == "out" else 3)
    assert str(files[spoilt].path(1)) in caught.value.message
