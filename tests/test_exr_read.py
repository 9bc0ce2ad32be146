"""Reading: every kind of file gives its exact pixels or an error that names it; the files are written by the OpenEXR package."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.exr import read_channel, read_header, read_plate
from bridge.window import Window
from bridge.wire.errors import ImageError

DATA = Path(os.environ.get("VIDEOMATTE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "exr"
HERE = sorted(p for p in DATA.rglob("*.exr")) if DATA.is_dir() else []
DAMAGED = sorted(p for p in (DATA / "Damaged").rglob("*") if p.is_file()) if DATA.is_dir() else []
with_data = pytest.mark.skipif(not HERE, reason="no sample files: set VIDEOMATTE_DATA or unpack them into ../shared/data")

REFUSED = {
    "Rec709_YC.exr": "chroma-subsampled",
    "Trunks.exr": "deep image",
    "WideFloatRange.exr": "no colour: its channels are G",
}
KINDS = {"uint8": oiio.UINT8, "uint16": oiio.UINT16, "float32": oiio.FLOAT}
Channels = dict[str, npt.NDArray[np.generic]]


def header(**more: object) -> dict[str, object]:
    return {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **more}


def box(window: Window) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    return np.array([window.x0, window.y0], np.int32), np.array([window.x1 - 1, window.y1 - 1], np.int32)


def write(path: Path, channels: Channels, **more: object) -> Path:
    OpenEXR.File(header(**more), dict(channels)).write(str(path))
    return path


def noise(*shape: int, dtype: type = np.float16, seed: int = 0) -> npt.NDArray[np.generic]:
    return (np.random.default_rng(seed).standard_normal(shape) * 20).astype(dtype)


def named(names: str, *, dtype: type = np.float16) -> Channels:
    return {name: noise(6, 9, dtype=dtype, seed=seed) for seed, name in enumerate(names.split())}


def still(path: Path, pixels: npt.NDArray[np.generic], *names: str, **more: object) -> Path:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], KINDS[pixels.dtype.name])
    if names:
        spec.channelnames = names
    for name, value in more.items():
        spec[name.replace("__", ":")] = value
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(pixels), out.geterror()
    out.close()
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("kind", ["NO", "RLE", "ZIP", "ZIPS", "PIZ"])
def test_half_stays_half_and_float_stays_float_bit_for_bit(tmp_path: Path, dtype: type, kind: str) -> None:
    channels = named("R G B A", dtype=dtype)
    channels["R"].flat[:4] = [np.nan, np.inf, -np.inf, -0.0]
    plate = read_plate(write(tmp_path / "p.exr", channels, compression=getattr(OpenEXR, f"{kind}_COMPRESSION")))
    assert plate.rgb.dtype == dtype
    assert plate.rgb.flags["C_CONTIGUOUS"]
    for index, name in enumerate("RGB"):
        assert plate.rgb[..., index].tobytes() == channels[name].tobytes()


def test_mixed_half_and_float_colour_becomes_float_without_loss(tmp_path: Path) -> None:
    channels = {"R": noise(4, 5), "G": noise(4, 5, dtype=np.float32), "B": noise(4, 5), "Z": noise(4, 5, dtype=np.float32)}
    plate = read_plate(write(tmp_path / "p.exr", channels))
    assert plate.rgb.dtype == np.float32
    assert all(np.array_equal(plate.rgb[..., i], channels[n].astype(np.float32)) for i, n in enumerate("RGB"))


def test_whole_number_channels_of_an_exr_keep_their_values(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2, 70_000]], np.uint32)
    path = write(tmp_path / "p.exr", {"R": ids, "G": ids, "B": ids, "A": noise(1, 4)})
    plate = read_plate(path)
    assert plate.rgb.dtype == np.float32
    assert plate.rgb[0, :, 0].tolist() == [0.0, 1.0, 2.0, 70_000.0]
    assert not plate.header.is_float


def test_tiled_files_are_read(tmp_path: Path) -> None:
    channels = named("R G B")
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 4
    plate = read_plate(write(tmp_path / "p.exr", channels, type=OpenEXR.tiledimage, tiles=tiles))
    assert np.array_equal(plate.rgb[..., 2], channels["B"])


@pytest.mark.parametrize(
    ("data", "display"),
    [
        (Window(-4, -3, 5, 3), Window(0, 0, 20, 10)),
        (Window(-2, -2, 7, 4), Window(0, 0, 5, 2)),
        (Window(100, 200, 109, 206), Window(0, 0, 20, 10)),
        (Window(3, 1, 12, 7), Window(-5, -5, 15, 15)),
    ],
    ids=["negative origin", "overscan", "outside", "shifted display"],
)
def test_windows_are_taken_as_they_are(tmp_path: Path, data: Window, display: Window) -> None:
    path = write(tmp_path / "p.exr", named("R G B"), dataWindow=box(data), displayWindow=box(display), pixelAspectRatio=2.0)
    found = read_plate(path).header
    assert (found.data_window, found.display_window, found.pixel_aspect) == (data, display, 2.0)
    assert read_header(path) == found


def test_a_lone_y_is_repeated_in_three_channels(tmp_path: Path) -> None:
    channels = named("Y")
    plate = read_plate(write(tmp_path / "p.exr", channels))
    assert plate.rgb.shape == (6, 9, 3)
    assert plate.rgb.dtype == np.float16
    assert all(np.array_equal(plate.rgb[..., i], channels["Y"]) for i in range(3))


@pytest.mark.parametrize("names", ["A", "Z", "R G", "forward.u forward.v", "Y RY BY"])
def test_without_colour_the_channels_are_named(tmp_path: Path, names: str) -> None:
    path = write(tmp_path / "p.exr", named(names))
    with pytest.raises(ImageError) as caught:
        read_plate(path)
    assert all(name in caught.value.message for name in names.split())
    assert caught.value.file == str(path)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "spelling",
    ["r g b", "red green blue", "fx.red fx.green fx.blue", "V.Combined.R V.Combined.G V.Combined.B"],
)
def test_colour_is_found_however_it_is_spelled(tmp_path: Path, spelling: str) -> None:
    channels = named(spelling) | {"depth.Z": noise(6, 9), "Z": noise(6, 9)}
    plate = read_plate(write(tmp_path / "p.exr", channels))
    for index, name in enumerate(spelling.split()):
        assert np.array_equal(plate.rgb[..., index], channels[name])


def test_the_beauty_is_taken_among_layers_and_others_by_name(tmp_path: Path) -> None:
    layers = ("ViewLayer.Combined", "ViewLayer.DiffCol", "ViewLayer.Normal")
    channels = named(" ".join(f"{layer}.{c}" for layer in layers[:2] for c in "RGB") + " ViewLayer.Normal.X")
    path = write(tmp_path / "p.exr", channels)
    assert np.array_equal(read_plate(path).rgb[..., 0], channels["ViewLayer.Combined.R"])
    assert np.array_equal(read_plate(path, layer="ViewLayer.DiffCol").rgb[..., 1], channels["ViewLayer.DiffCol.G"])
    with pytest.raises(ImageError, match=r"no layer 'Diff'; it has ViewLayer\.Combined, ViewLayer\.DiffCol, ViewLayer\.Normal"):
        read_plate(path, layer="Diff")


def test_several_coloured_layers_without_a_main_one_must_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "p.exr", named("left_lamp.R left_lamp.G left_lamp.B right_lamp.R right_lamp.G right_lamp.B"))
    with pytest.raises(ImageError, match="several layers: left_lamp, right_lamp"):
        read_plate(path)


def test_views_in_one_part_are_told_by_multiview_and_the_first_is_the_hero(tmp_path: Path) -> None:
    channels = named("R G B left.R left.G left.B depth.left.Z depth.right.Z")
    path = write(tmp_path / "p.exr", channels, multiView=["right", "left"])
    assert read_header(path).view == "right"
    assert read_header(path).views == ("right", "left")
    assert np.array_equal(read_plate(path).rgb[..., 0], channels["R"])
    assert np.array_equal(read_plate(path, view="left").rgb[..., 0], channels["left.R"])
    assert np.array_equal(read_channel(path, view="left", layer="depth").values, channels["depth.left.Z"].astype(np.float32))
    with pytest.raises(ImageError, match="no view 'centre'; it has right, left"):
        read_plate(path, view="centre")


def test_the_hero_is_the_first_of_multiview_whatever_the_order_of_the_channels(tmp_path: Path) -> None:
    channels = named("fx.left.R fx.left.G fx.left.B fx.right.R fx.right.G fx.right.B")
    plate = read_plate(write(tmp_path / "p.exr", channels, multiView=["right", "left"]))
    assert plate.header.view == "right"
    assert np.array_equal(plate.rgb[..., 0], channels["fx.right.R"])


def test_a_view_asked_of_a_file_without_views_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="names no views"):
        read_plate(write(tmp_path / "p.exr", named("R G B")), view="left")


def test_parts_carry_views_and_layers(tmp_path: Path) -> None:
    one, two, three = named("R G B"), named("R G B", dtype=np.float32), {"Z": noise(3, 4)}
    small = box(Window(2, 2, 6, 5))
    OpenEXR.File(
        [
            OpenEXR.Part(header(name="rgba_right", view="right"), dict(one)),
            OpenEXR.Part(header(name="rgba_left", view="left"), dict(two)),
            OpenEXR.Part(header(name="depth_left", view="left", dataWindow=small, displayWindow=box(Window(0, 0, 9, 6))), dict(three)),
        ]
    ).write(str(tmp_path / "p.exr"))
    path = tmp_path / "p.exr"
    assert np.array_equal(read_plate(path).rgb[..., 0], one["R"])
    left = read_plate(path, view="left")
    assert left.rgb.dtype == np.float32
    assert np.array_equal(left.rgb[..., 2], two["B"])
    assert left.header.layers == ("rgba", "depth")
    depth = read_channel(path, view="left", layer="depth")
    assert depth.header.data_window == Window(2, 2, 6, 5)
    assert np.array_equal(depth.values, three["Z"].astype(np.float32))


def test_a_broken_part_is_refused_where_it_is_used_and_only_there(tmp_path: Path) -> None:
    path = tmp_path / "p.exr"
    first, second = ({c: noise(400, 90, seed=seed) for c in "RGB"} for seed in (1, 2))
    OpenEXR.File([OpenEXR.Part(header(name="rgba"), dict(first)), OpenEXR.Part(header(name="extra"), second)]).write(str(path))
    path.write_bytes(path.read_bytes()[:-1000])
    assert np.array_equal(read_plate(path).rgb[..., 0], first["R"])
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_plate(path, layer="extra")


@pytest.mark.parametrize(
    ("names", "flat", "chosen"),
    [
        ("R G B A", "", "A"),
        ("R G B A", "A", "R"),
        ("A", "A", "A"),
        ("R G B", "", "R"),
        ("Y", "", "Y"),
        ("Y A", "A", "Y"),
        ("mask.matte", "", "mask.matte"),
    ],
)
def test_the_channel_of_a_trimap_follows_the_rule(tmp_path: Path, names: str, flat: str, chosen: str) -> None:
    channels = named(names)
    for name in flat.split():
        channels[name][:] = 1.0
    found = read_channel(write(tmp_path / "t.exr", channels))
    assert found.chosen == chosen
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, channels[chosen].astype(np.float32))


def test_a_channel_is_taken_by_any_of_its_names(tmp_path: Path) -> None:
    channels = named("R G B matte.red")
    path = write(tmp_path / "t.exr", channels)
    assert read_channel(path, channel="g").chosen == "G"
    assert read_channel(path, channel="R", layer="matte").chosen == "matte.red"
    with pytest.raises(ImageError, match="no channel 'Q'; it has R, G, B"):
        read_channel(path, channel="Q")


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize("extension", ["png", "tif", "dpx"])
def test_whole_numbers_of_stills_become_0_to_1(tmp_path: Path, extension: str, dtype: type, top: int) -> None:
    pixels = np.random.default_rng(0).integers(0, top + 1, (5, 7, 3)).astype(dtype)
    pixels[0, 0], pixels[0, 1] = 0, top
    plate = read_plate(still(tmp_path / f"p.{extension}", pixels))
    assert plate.rgb.dtype == np.float32
    assert not plate.header.is_float
    assert np.abs(plate.rgb - pixels / top).max() < 1e-6
    assert plate.header.display_window == plate.header.data_window == Window(0, 0, 7, 5)


def test_ten_bit_dpx_reaches_white(tmp_path: Path) -> None:
    codes = np.linspace(0, 1023, 16).round().astype(np.uint16)
    pixels = np.repeat((codes.astype(np.uint32) * 65535 // 1023).astype(np.uint16)[None, :, None], 3, axis=2)
    plate = read_plate(still(tmp_path / "p.dpx", pixels, oiio__BitsPerSample=10))
    assert np.abs(plate.rgb[0, :, 0] - codes / 1023).max() < 1e-3
    assert plate.rgb.max() == 1.0


def test_jpeg_and_grey_png_are_plates(tmp_path: Path) -> None:
    grey = np.full((8, 8, 1), 128, np.uint8)
    assert np.abs(read_plate(still(tmp_path / "p.jpg", np.repeat(grey, 3, 2))).rgb - 128 / 255).max() < 0.01
    assert np.abs(read_plate(still(tmp_path / "p.png", grey)).rgb - 128 / 255).max() < 1e-6
    assert read_plate(tmp_path / "p.png").header.file_format == "png"


def test_float_tiff_is_not_clipped(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3, dtype=np.float32)
    plate = read_plate(still(tmp_path / "p.tif", pixels))
    assert np.array_equal(plate.rgb, pixels)
    assert plate.header.is_float


def test_colour_under_transparent_png_pixels_is_kept(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 4), 200, np.uint8)
    pixels[..., 3] = [[0, 64], [128, 255]]
    path = still(tmp_path / "p.png", pixels, oiio__UnassociatedAlpha=1)
    assert np.abs(read_plate(path).rgb - 200 / 255).max() < 1e-6
    assert np.abs(read_channel(path).values - pixels[..., 3] / 255).max() < 1e-6


def test_the_colour_a_file_speaks_of_is_passed_on(tmp_path: Path) -> None:
    primaries = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
    hints = read_header(write(tmp_path / "p.exr", named("R G B"), chromaticities=primaries, colorInteropID="lin_ap1_scene")).colour_hints
    assert hints.interop_id == "lin_ap1_scene"
    assert np.abs(np.subtract(hints.chromaticities, primaries)).max() < 1e-6
    assert not hints.aces_container
    assert read_header(write(tmp_path / "a.exr", named("R G B"), acesImageContainerFlag=1)).colour_hints.aces_container
    silent = read_header(write(tmp_path / "s.exr", named("R G B"))).colour_hints
    assert (silent.interop_id, silent.chromaticities, silent.aces_container) == (None, None, False)


def test_deep_images_are_refused(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(4, 4, 2, oiio.FLOAT)
    spec.channelnames, spec.deep = ("Z", "A"), True
    samples = oiio.DeepData()
    samples.init(16, 2, (oiio.TypeFloat, oiio.TypeFloat), ("Z", "A"))
    out = oiio.ImageOutput.create("openexr")
    assert out.open(str(tmp_path / "d.exr"), spec)
    assert out.write_deep_image(samples)
    out.close()
    del out
    for reader in (read_header, read_plate, read_channel):
        with pytest.raises(ImageError, match="deep image"):
            reader(tmp_path / "d.exr")


def test_what_is_no_image_is_refused_by_its_own_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.exr").write_bytes(b"")
    (tmp_path / "text.exr").write_text("a letter to the editor, not an image\n" * 50)
    (tmp_path / "text.dat").write_text("a letter to the editor, not an image\n" * 50)
    reasons = {"empty.exr": "0 bytes", "text.exr": "damaged", "text.dat": "not an image", "absent.exr": "does not exist", "": "folder"}
    for name, reason in reasons.items():
        with pytest.raises(ImageError, match=reason) as caught:
            read_plate(tmp_path / name)
        assert str(tmp_path / name) in caught.value.message
        assert caught.value.remedy


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.exr", named("R G B"))
    path.chmod(0)
    with pytest.raises(ImageError, match="Permission denied"):
        read_plate(path)


def test_a_file_cut_anywhere_never_gives_pixels(tmp_path: Path) -> None:
    whole = write(tmp_path / "p.exr", {c: noise(70, 40, seed=i) for i, c in enumerate("RGB")}).read_bytes()
    lengths = sorted({*range(0, len(whole), max(1, len(whole) // 150)), *(len(whole) - n for n in (1, 2, 3, 8, 100))})
    assert len(lengths) > 100
    for length in lengths:
        (tmp_path / "cut.exr").write_bytes(whole[:length])
        with pytest.raises(ImageError):
            read_plate(tmp_path / "cut.exr")


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "dpx"])
def test_a_still_cut_anywhere_in_its_pixels_never_gives_pixels(tmp_path: Path, extension: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    whole = still(tmp_path / f"p.{extension}", pixels).read_bytes()
    for length in range(0, len(whole) - 16, len(whole) // 40):
        (tmp_path / f"cut.{extension}").write_bytes(whole[:length])
        with pytest.raises(ImageError) as caught:
            read_plate(tmp_path / f"cut.{extension}")
        assert caught.value.message.count(str(tmp_path)) == 1


def test_a_tail_of_zeros_never_gives_pixels(tmp_path: Path) -> None:
    whole = write(tmp_path / "p.exr", {c: noise(70, 40, seed=i) for i, c in enumerate("RGB")}).read_bytes()
    for length in range(400, len(whole) - 16, 997):
        (tmp_path / "zeros.exr").write_bytes(whole[:length] + bytes(len(whole) - length))
        with pytest.raises(ImageError):
            read_plate(tmp_path / "zeros.exr")


def test_a_small_file_that_claims_gigabytes_is_refused_before_they_are_taken(tmp_path: Path) -> None:
    whole = write(tmp_path / "p.exr", named("R G B")).read_bytes()
    window = struct.pack("<4i", 0, 0, 8, 5)
    assert whole.count(window) == 2
    (tmp_path / "bomb.exr").write_bytes(whole.replace(window, struct.pack("<4i", 0, 0, 46_000, 46_000)))
    with pytest.raises(ImageError, match=r"absurd size|claims"):
        read_plate(tmp_path / "bomb.exr")


@with_data
@pytest.mark.parametrize("path", HERE, ids=lambda p: p.name)
def test_every_sample_file_is_a_plate_or_is_refused_by_reason(path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(ImageError, match=REFUSED[path.name]):
            read_plate(path)
        return
    plate = read_plate(path)
    assert plate.rgb.shape[:2] == (plate.header.data_window.height, plate.header.data_window.width)
    truth = OpenEXR.File(str(path), separate_channels=True).parts[0].channels
    for index, name in enumerate("RGB" if "R" in truth else "YYY"):
        assert plate.rgb[..., index].tobytes() == np.ascontiguousarray(truth[name].pixels).tobytes()


@with_data
@pytest.mark.parametrize("path", DAMAGED, ids=lambda p: p.name[:40])
def test_every_damaged_file_is_refused_in_words(tmp_path: Path, path: Path) -> None:
    copy = tmp_path / "case.exr"
    shutil.copyfile(path, copy)
    for reader in (read_plate, read_channel):
        with pytest.raises(ImageError) as caught:
            reader(copy)
        assert str(copy) in caught.value.message
        assert caught.value.remedy
        assert str(caught.value).isprintable() or "\n" in str(caught.value)


@with_data
def test_the_views_of_the_beachball_differ_and_the_hero_is_right() -> None:
    path = DATA / "Beachball" / "multipart.0001.exr"
    hero, right, left = read_plate(path), read_plate(path, view="right"), read_plate(path, view="left")
    assert hero.header.view == "right"
    assert np.array_equal(hero.rgb, right.rgb)
    assert left.header.data_window == Window(688, 245, 1565, 1121)
    assert "depth" in left.header.layers
    single = read_plate(DATA / "Beachball" / "singlepart.0001.exr", view="left")
    there = single.header.data_window.slices(left.header.data_window)
    assert np.array_equal(single.rgb[there], left.rgb)


@settings(max_examples=25, deadline=None)
@given(pixels=arrays.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.floats(width=32)))
def test_any_float_survives_reading(tmp_path_factory: pytest.TempPathFactory, pixels: npt.NDArray[np.float32]) -> None:
    path = write(tmp_path_factory.mktemp("r") / "p.exr", {"R": pixels, "G": pixels, "B": pixels})
    assert read_plate(path).rgb[..., 1].tobytes() == pixels.tobytes()
