"""Writing: what is written is exact, keeps the plate's words, and lands whole or not at all; judged by the OpenEXR package."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge import exr
from bridge.exr import Header, read_channel, read_header, read_plate, write_matte, write_rgb, write_trimap
from bridge.exr.landing import landing
from bridge.sequence import Sequence
from bridge.window import Window
from bridge.wire.errors import StorageError, VideoMatteError, WindowError

HEIGHT, WIDTH = 70, 33
DATA = Path(os.environ.get("VIDEOMATTE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "exr"
Array = npt.NDArray[np.float32]


def plate(path: Path, *, shape: tuple[int, int] = (HEIGHT, WIDTH), x: int = -3, y: int = -5, **more: object) -> Header:
    """Write a plate full of attributes and return its header."""
    spec = oiio.ImageSpec(shape[1], shape[0], 3, oiio.HALF)
    spec.x, spec.y = x, y
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, 40, 60
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (0x01020304, 0))
    spec.attribute("smpte:KeyCode", oiio.TypeDesc("keycode"), (1, 2, 3, 4, 5, 4, 64))
    spec.attribute("framesPerSecond", oiio.TypeDesc("rational"), (24000, 1001))
    spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767))
    spec.attribute("worldToCamera", oiio.TypeDesc("matrix"), tuple(float(i) for i in range(16)))
    words = {"colorInteropID": "lin_ap1_scene", "camera:lens": "40 mm", "Copyright": "Studio Ü", "PixelAspectRatio": 2.0, "studio/take": 7}
    for name, value in {**words, **more}.items():
        spec[name] = value
    out = oiio.ImageOutput.create("openexr")
    assert out.open(str(path), spec)
    assert out.write_image(np.random.default_rng(0).random((*shape, 3)).astype(np.float16))
    out.close()
    del out
    return read_header(path)


def ramp(height: int = HEIGHT, width: int = WIDTH) -> Array:
    return np.random.default_rng(1).random((height, width)).astype(np.float32)


def truth(path: Path) -> tuple[dict[str, object], dict[str, npt.NDArray[np.generic]]]:
    """Read a file with the OpenEXR package: header and channels."""
    part = OpenEXR.File(str(path), separate_channels=True).parts[0]
    return dict(part.header), {name: np.array(channel.pixels) for name, channel in part.channels.items()}


def left_over(folder: Path) -> list[str]:
    return [n for n in os.listdir(folder) if "tmp" in n or n.startswith(".")]


@pytest.mark.parametrize(("channels", "names"), [("rgba", "ABGR"), ("a", "A"), ("y", "Y")])
@pytest.mark.parametrize(("depth", "dtype"), [("float", np.float32), ("half", np.float16)])
def test_a_matte_is_exact_in_every_channel(tmp_path: Path, channels: str, names: str, depth: str, dtype: type) -> None:
    like, alpha = plate(tmp_path / "p.exr"), ramp()
    write_matte(tmp_path / "m.exr", alpha, like=like, channels=channels, depth=depth)
    header, pixels = truth(tmp_path / "m.exr")
    assert sorted(pixels) == sorted(names)
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    for name in names:
        assert pixels[name].dtype == dtype
        assert pixels[name].tobytes() == alpha.astype(dtype).tobytes()


def test_a_matte_keeps_the_plates_windows_and_words_and_says_data(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr", DateTime="2024:02:03 04:05:06", textureformat="LatLong Environment", **{"nuke/node_hash": "abc"})
    write_matte(tmp_path / "m.exr", ramp(), like=like, attributes={"key": "abc", "videomatte:frame": 1001, "strength": 0.5})
    before, _ = truth(tmp_path / "p.exr")
    after, _ = truth(tmp_path / "m.exr")
    assert str(after["dataWindow"]) == str(before["dataWindow"])
    assert str(after["displayWindow"]) == str(before["displayWindow"])
    kept = ("timeCode", "keyCode", "framesPerSecond", "worldToCamera", "camera:lens", "owner", "pixelAspectRatio", "studio/take", "capDate")
    for name in kept:
        assert str(after[name]) == str(before[name])
    assert after["framesPerSecond"] == Fraction(24000, 1001)
    assert after["capDate"] == "2024:02:03 04:05:06"
    assert after["colorInteropID"] == "data"
    assert (after["videomatte:key"], after["videomatte:frame"], after["videomatte:strength"]) == ("abc", 1001, 0.5)
    assert not {"chromaticities", "textureformat", "envmap", "nuke/node_hash", "wrapmodes"} & set(after)
    found = read_header(tmp_path / "m.exr")
    assert (found.data_window, found.display_window) == (Window(-3, -5, 30, 65), Window(0, 0, 40, 60))


def test_the_same_matte_is_the_same_bytes_and_carries_no_date_of_its_own(tmp_path: Path) -> None:
    like, alpha = plate(tmp_path / "p.exr"), ramp()
    undated = oiio.ImageSpec(like.spec)
    undated.erase_attribute("DateTime")
    like = Header(**{**like.__dict__, "spec": undated})
    write_matte(tmp_path / "a.exr", alpha, like=like, attributes={"one": "1", "two": "2"})
    write_matte(tmp_path / "b.exr", alpha, like=like, attributes={"two": "2", "one": "1"})
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    assert "capDate" not in truth(tmp_path / "a.exr")[0]


def test_another_mattes_provenance_is_not_inherited(tmp_path: Path) -> None:
    write_matte(tmp_path / "a.exr", ramp(), like=plate(tmp_path / "p.exr"), attributes={"key": "old", "roto": "x"})
    write_matte(tmp_path / "b.exr", ramp(), like=read_header(tmp_path / "a.exr"), attributes={"key": "new"})
    assert exr.read_provenance(tmp_path / "b.exr") == {"key": "new"}


def test_a_foreground_keeps_the_plates_colour_or_names_its_own(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr")
    rgb = (np.random.default_rng(2).standard_normal((HEIGHT, WIDTH, 3)) * 40).astype(np.float32)
    write_rgb(tmp_path / "f.exr", rgb, like=like)
    header, pixels = truth(tmp_path / "f.exr")
    assert header["colorInteropID"] == "lin_ap1_scene"
    assert np.abs(np.subtract(header["chromaticities"], truth(tmp_path / "p.exr")[0]["chromaticities"])).max() == 0
    assert all(pixels[n].tobytes() == rgb[..., i].tobytes() for i, n in enumerate("RGB"))
    write_rgb(tmp_path / "g.exr", rgb, like=like, interop_id="lin_rec709_scene")
    assert truth(tmp_path / "g.exr")[0]["colorInteropID"] == "lin_rec709_scene"
    assert "chromaticities" not in truth(tmp_path / "g.exr")[0]


def test_half_holds_the_brightest_it_can_instead_of_inf(tmp_path: Path) -> None:
    rgb = np.full((HEIGHT, WIDTH, 3), 1e6, np.float32)
    write_rgb(tmp_path / "f.exr", rgb, like=plate(tmp_path / "p.exr"), depth="half")
    assert set(np.unique(truth(tmp_path / "f.exr")[1]["R"])) == {np.float16(65504)}


def test_a_trimap_comes_back_exactly_by_the_rule_of_its_channel(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr")
    for trimap in (np.round(ramp() * 2) / 2, np.full((HEIGHT, WIDTH), 0.5, np.float32), np.zeros((HEIGHT, WIDTH), np.float32)):
        write_trimap(tmp_path / "t.exr", trimap, like=like, attributes={"key": "k"})
        found = read_channel(tmp_path / "t.exr")
        assert np.array_equal(found.values, trimap)
        assert found.header.data_window == like.data_window
    assert {str(c.dtype) for c in truth(tmp_path / "t.exr")[1].values()} == {"float16"}


def test_a_still_gives_its_windows_to_the_matte(tmp_path: Path) -> None:
    out = oiio.ImageOutput.create("p.png")
    spec = oiio.ImageSpec(5, 4, 3, oiio.UINT8)
    assert out.open(str(tmp_path / "p.png"), spec)
    assert out.write_image(np.zeros((4, 5, 3), np.uint8))
    out.close()
    del out
    write_matte(tmp_path / "m.exr", ramp(4, 5), like=read_header(tmp_path / "p.png"))
    header, pixels = truth(tmp_path / "m.exr")
    assert pixels["A"].shape == (4, 5)
    assert header["colorInteropID"] == "data"
    assert read_header(tmp_path / "m.exr").display_window == Window(0, 0, 5, 4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (257, 1), (64, 64), (65, 3), (129, 7)])
def test_every_size_is_written_whole(tmp_path: Path, shape: tuple[int, int]) -> None:
    alpha = ramp(*shape)
    write_matte(tmp_path / "m.exr", alpha, like=plate(tmp_path / "p.exr", shape=shape))
    assert truth(tmp_path / "m.exr")[1]["R"].tobytes() == alpha.tobytes()


CROPPED = ramp(99, 98)[4 : 4 + HEIGHT, 2 : 2 + WIDTH]


@pytest.mark.parametrize("alpha", [ramp(WIDTH, HEIGHT).T, ramp()[::-1, ::-1], CROPPED], ids=["turned", "flipped", "cropped"])
def test_arrays_of_any_strides_are_written_as_they_look(tmp_path: Path, alpha: Array) -> None:
    write_matte(tmp_path / "m.exr", alpha, like=plate(tmp_path / "p.exr"))
    assert np.array_equal(truth(tmp_path / "m.exr")[1]["A"], alpha)


def test_pixels_that_do_not_cover_the_data_window_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WindowError, match=r"10×10 pixels do not cover .* 33×70 at"):
        write_matte(tmp_path / "m.exr", ramp(10, 10), like=plate(tmp_path / "p.exr"))
    with pytest.raises(WindowError, match="3 dimensions"):
        write_matte(tmp_path / "m.exr", ramp()[..., None], like=plate(tmp_path / "p.exr"))
    assert not (tmp_path / "m.exr").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_never_reach_a_file(tmp_path: Path, value: float) -> None:
    alpha = ramp()
    alpha[3, 4] = value
    with pytest.raises(VideoMatteError, match="NaN or Inf"):
        write_matte(tmp_path / "m.exr", alpha, like=plate(tmp_path / "p.exr"))
    assert not (tmp_path / "m.exr").exists()


def test_provenance_is_ours_or_none(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr")
    name = "a-rather-long-name-of-an-attribute-indeed"
    write_matte(tmp_path / "m.exr", ramp(), like=like, attributes={"key": "ä" * 300, name: 3})
    assert exr.read_provenance(tmp_path / "m.exr") == {"key": "ä" * 300, name: "3"}
    (tmp_path / "n.exr").write_text("no image")
    for other in ("p.exr", "n.exr", "absent.exr", "."):
        assert exr.read_provenance(tmp_path / other) is None


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "neuer Ordner" / "ß" / "m.exr"
    write_matte(target, ramp(), like=plate(tmp_path / "p.exr"))
    assert os.listdir(target.parent) == ["m.exr"]


def test_a_name_of_the_longest_allowed_length_is_written(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr")
    write_matte(tmp_path / ("m" * 251 + ".exr"), ramp(), like=like)
    with pytest.raises(StorageError, match="too long") as caught:
        write_matte(tmp_path / ("m" * 252 + ".exr"), ramp(), like=like)
    assert "shorter" in caught.value.remedy
    assert left_over(tmp_path) == []


def test_a_path_through_a_file_or_onto_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr")
    (tmp_path / "folder.exr").mkdir()
    for target in (tmp_path / "p.exr" / "m.exr", tmp_path / "p.exr" / "deeper" / "m.exr", tmp_path / "folder.exr"):
        with pytest.raises(StorageError) as caught:
            write_matte(target, ramp(), like=like)
        assert str(target) in caught.value.message
        assert caught.value.remedy
    assert left_over(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount")
    if not made or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by the superuser of a Linux machine that allows it")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_an_error_and_the_old_file_stays(tmp_path: Path, small_disk: Path) -> None:
    like, small = plate(tmp_path / "p.exr", shape=(300, 300)), np.zeros((300, 300), np.float32)
    write_matte(small_disk / "m.exr", small, like=like)
    before = (small_disk / "m.exr").read_bytes()
    with pytest.raises(StorageError, match=r"full|space") as caught:
        write_matte(small_disk / "m.exr", ramp(300, 300), like=like)
    assert "Free some space" in caught.value.remedy
    assert (small_disk / "m.exr").read_bytes() == before
    assert left_over(small_disk) == []


def test_a_disk_without_a_single_byte_left_is_no_success_of_0_bytes(tmp_path: Path, small_disk: Path) -> None:
    like = plate(tmp_path / "p.exr", shape=(4, 4))
    with open(small_disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    with pytest.raises(StorageError, match="full"):
        write_matte(small_disk / "m.exr", ramp(4, 4), like=like)
    assert os.listdir(small_disk) == ["filler"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
@pytest.mark.parametrize("limit", [0, 100, 700, 5_000])
def test_a_file_that_may_not_grow_is_an_error_and_the_old_file_stays(tmp_path: Path, limit: int) -> None:
    import resource

    like = plate(tmp_path / "p.exr")
    write_matte(tmp_path / "m.exr", np.zeros((HEIGHT, WIDTH), np.float32), like=like)
    before = (tmp_path / "m.exr").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StorageError) as caught:
            write_matte(tmp_path / "m.exr", ramp(), like=like)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "m.exr") in caught.value.message
    assert caught.value.remedy
    assert (tmp_path / "m.exr").read_bytes() == before
    assert left_over(tmp_path) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    like = plate(tmp_path / "p.exr")
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(StorageError, match="Permission denied"):
        write_matte(tmp_path / "locked" / "m.exr", ramp(), like=like)


def test_what_reads_back_differently_does_not_land(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    like = plate(tmp_path / "p.exr")
    (tmp_path / "m.exr").write_bytes(b"the old file")
    monkeypatch.setattr("bridge.exr.write._store", lambda temporary, pixels, spec: "")
    with pytest.raises(StorageError, match="reads back differently"):
        write_matte(tmp_path / "m.exr", ramp(), like=like)
    assert (tmp_path / "m.exr").read_bytes() == b"the old file"
    assert left_over(tmp_path) == []


def test_ctrl_c_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with landing(tmp_path / "m.0001.exr") as temporary:
            temporary.write_bytes(b"half")
            assert Sequence.parse(tmp_path / "m.####.exr").frames(allow_none=True) == ()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_only_what_the_dead_left_behind_is_swept(tmp_path: Path) -> None:
    host = socket.gethostname()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive, foreign = (
        f".videomatte~{h}~{p}~abc123.tmp" for h, p in ((host, gone.pid), (host, os.getpid()), ("another-host", gone.pid))
    )
    others = ("matte.0001.exr", ".videomatte~x.tmp", ".hidden")
    for name in (dead, alive, foreign, *others):
        (tmp_path / name).write_bytes(b"x")
    assert exr.sweep_temporaries(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([alive, foreign, *others])
    os.utime(tmp_path / foreign, (0, 0))
    assert exr.sweep_temporaries(tmp_path) == 1
    assert exr.sweep_temporaries(tmp_path / "absent") == 0


def test_one_thread_means_no_others(tmp_path: Path) -> None:
    like, alpha = plate(tmp_path / "p.exr", shape=(400, 400)), ramp(400, 400)
    code = f"""
import os, numpy as np
from bridge import exr
exr.set_threads(1)
like = exr.read_plate({str(tmp_path / "p.exr")!r}).header
exr.write_matte({str(tmp_path / "m.exr")!r}, np.zeros((400, 400), np.float32), like=like)
print(len(os.listdir("/proc/self/task")))
"""
    if not Path("/proc/self/task").exists():
        pytest.skip("threads are counted in /proc")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    counted = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert counted.stdout.split() == ["1"]
    write_matte(tmp_path / "m.exr", alpha, like=like)
    assert np.array_equal(truth(tmp_path / "m.exr")[1]["A"], alpha)


def test_readers_never_see_half_a_file_while_it_is_replaced(tmp_path: Path) -> None:
    like, target = plate(tmp_path / "p.exr"), tmp_path / "m.exr"
    write_matte(target, np.zeros((HEIGHT, WIDTH), np.float32), like=like)
    done = threading.Event()
    seen: list[tuple[float, float]] = []

    def read() -> None:
        while not done.is_set():
            values = read_channel(target, channel="A").values
            seen.append((float(values.min()), float(values.max())))

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(20):
        write_matte(target, np.full((HEIGHT, WIDTH), step / 20, np.float32), like=like)
    done.set()
    reader.join()
    assert seen
    assert all(low == high for low, high in seen)


@pytest.mark.skipif(not DATA.is_dir(), reason="no sample files: set VIDEOMATTE_DATA or unpack them into ../shared/data")
def test_every_sample_plate_gives_a_matte_on_its_own_windows(tmp_path: Path) -> None:
    written = 0
    for path in sorted(DATA.rglob("*.exr")):
        if path.name in ("Rec709_YC.exr", "Trunks.exr", "WideFloatRange.exr"):
            continue
        like = read_plate(path).header
        alpha = np.linspace(0, 1, like.data_window.width * like.data_window.height, dtype=np.float32).reshape(like.data_window.size[::-1])
        write_matte(tmp_path / "m.exr", alpha, like=like, channels="a")
        header, pixels = truth(tmp_path / "m.exr")
        assert np.array_equal(pixels["A"], alpha)
        assert tuple(header["dataWindow"][0]) == (like.data_window.x0, like.data_window.y0)
        assert tuple(header["displayWindow"][1] + 1) == (like.display_window.x1, like.display_window.y1)
        written += 1
    assert written > 0


FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=25, deadline=None)
@given(
    rgb=arrays.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)), elements=FINITE),
    x=st.integers(-5000, 5000),
    y=st.integers(-5000, 5000),
)
def test_any_finite_colour_anywhere_survives_writing(tmp_path_factory: pytest.TempPathFactory, rgb: Array, x: int, y: int) -> None:
    folder = tmp_path_factory.mktemp("w")
    like = plate(folder / "p.exr", shape=rgb.shape[:2], x=x, y=y)
    write_rgb(folder / "f.exr", rgb, like=like)
    back = read_plate(folder / "f.exr")
    assert back.rgb.tobytes() == rgb.tobytes()
    assert back.header.data_window == like.data_window
