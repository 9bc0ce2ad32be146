"""Colour spaces, how one is decided for a shot, and the network's view, against OpenColorIO's numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.imaging.colour import SPACES, ColourSpace, Rule, ViewTransform, known, named, resolve
from bridge.imaging.curves import Curve, encode_srgb, roll_off
from bridge.imaging.primaries import AP0, REC709, Primaries
from bridge.wire.errors import ColourError

OCIO_NAMES = {"acescct_ap1_scene": "ACEScct", "g24_rec709_scene": "g24_rec709"}
CAMERAS = {
    "arri_logc3": "ARRI_ALEXA-LOGC-EI800-AWG_to_ACES2065-1",
    "arri_logc4": "ARRI_LOGC4_to_ACES2065-1",
    "sony_slog3": "SONY_SLOG3-SGAMUT3.CINE_to_ACES2065-1",
    "red_log3g10": "RED_LOG3G10-RWG_to_ACES2065-1",
}
XYZ_FILE = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)


@dataclass(frozen=True)
class Hints:
    interop_id: str | None = None
    chromaticities: tuple[float, ...] | None = None
    aces_container: bool = False
    oiio_colorspace: str | None = None


def numbers(primaries: Primaries) -> tuple[float, ...]:
    return (*primaries.red, *primaries.green, *primaries.blue, *primaries.white)


@pytest.fixture(scope="module")
def ocio():
    module = pytest.importorskip("PyOpenColorIO", reason="OpenColorIO is a development dependency")
    config = module.Config.CreateFromFile("ocio://cg-config-v2.2.0_aces-v1.3_ocio-v2.4")

    def light(space: ColourSpace, rgb: np.ndarray) -> np.ndarray:
        if space.name in CAMERAS:
            steps = module.GroupTransform()
            steps.appendTransform(module.BuiltinTransform(CAMERAS[space.name]))
            steps.appendTransform(module.ColorSpaceTransform("lin_ap0_scene", "lin_rec709_scene"))
            processor = config.getProcessor(steps)
        else:
            processor = config.getProcessor(OCIO_NAMES.get(space.name, space.name), "lin_rec709_scene")
        cpu = processor.getDefaultCPUProcessor()
        return np.array([cpu.applyRGB([float(v) for v in pixel]) for pixel in rgb])

    return light


def exact_view(light: np.ndarray) -> np.ndarray:
    return encode_srgb(roll_off(np.maximum(light, 0)))


@pytest.mark.parametrize("space", [s for s in SPACES if s.is_linear], ids=lambda s: s.name)
def test_matrices_are_those_of_opencolorio(space: ColourSpace, ocio) -> None:
    np.testing.assert_allclose(space.to_rec709, ocio(space, np.eye(3)).T, atol=1e-4)


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_neutral_ramps_decode_as_in_opencolorio(space: ColourSpace, ocio) -> None:
    ramp = np.linspace(0.0, 1.0, 101)[:, None] * np.ones(3)
    mine = space.curve.decode(ramp) @ space.to_rec709.T
    np.testing.assert_allclose(mine, ocio(space, ramp), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("space", [s for s in SPACES if s.name not in CAMERAS], ids=lambda s: s.name)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_views_agree_with_opencolorio_within_a_thousandth(space: ColourSpace, dtype: type, ocio) -> None:
    random = np.random.default_rng(1)
    rgb = random.uniform(0.0, 4.0 if space.is_linear else 1.0, (1, 300, 3))
    if space.curve is Curve.ACESCCT:
        rgb = random.uniform(0.1, 0.6, (1, 300, 1)) + random.uniform(0.0, 0.05, (1, 300, 3))
    rgb = rgb.astype(dtype)
    view = ViewTransform(space).view(rgb)
    np.testing.assert_allclose(view[0], exact_view(ocio(space, rgb[0])), atol=1e-3)


@pytest.mark.parametrize("name", CAMERAS)
def test_camera_greys_agree_with_opencolorio_within_a_thousandth(name: str, ocio) -> None:
    rgb = (np.linspace(0.0, 1.0, 301)[None, :, None] * np.ones(3)).astype(np.float32)
    np.testing.assert_allclose(ViewTransform(named(name)).view(rgb)[0], exact_view(ocio(named(name), rgb[0])), atol=1e-3)


def test_the_view_of_linear_values_is_the_one_of_the_design() -> None:
    scene = np.array([-0.1, 0.0, 0.18, 0.5, 0.8, 1.0, 16.0, 100.0, 65504.0], np.float32)
    view = ViewTransform(named("linear")).view(np.repeat(scene[None, :, None], 3, 2))[0, :, 0]
    np.testing.assert_allclose(view[[0, 1, 2, 3, 4]], [0.0, 0.0, 0.4613, 0.7354, 0.9063], atol=2.5e-4)
    assert 0.92 < view[5] < 0.95
    assert view[6:].tolist() == [1.0, 1.0, 1.0]


def test_highlights_up_to_sixteen_keep_their_edges() -> None:
    scene = np.geomspace(0.8, 16, 64).astype(np.float32)[None, :, None] * np.ones(3, np.float32)
    assert np.diff(ViewTransform(named("linear")).view(scene)[0, :, 0]).min() > 5e-4


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", ["linear", "acescg", "srgb", "logc3"])
def test_nan_and_inf_never_reach_a_view(name: str, dtype: type) -> None:
    rgb = np.array([[[np.nan, np.inf, -np.inf], [0.18, np.nan, np.inf]]], dtype)
    transform = ViewTransform(named(name))
    view, mixing, linear = transform.view(rgb), transform.mixing(rgb), transform.scene_linear(rgb)
    assert np.isfinite(view).all()
    assert np.isfinite(linear).all()
    assert view.min() >= 0
    assert view.max() <= 1
    assert mixing.min() >= 0
    assert mixing.max() <= 1000


def test_nan_is_black_and_inf_is_white_without_touching_the_other_channels() -> None:
    view = ViewTransform(named("linear")).view(np.array([[[np.nan, np.inf, 0.18]]], np.float32))
    np.testing.assert_allclose(view[0, 0], [0.0, 1.0, 0.4613], atol=2.5e-4)


def test_the_plate_is_left_as_it_was() -> None:
    rgb = np.array([[[np.nan, 37.5, -0.02]]], np.float32)
    before = rgb.copy()
    transform = ViewTransform(named("acescg"))
    for method in (transform.view, transform.mixing, transform.scene_linear):
        method(rgb)
        np.testing.assert_array_equal(rgb, before)


def test_a_display_referred_plate_keeps_its_values_below_the_knee() -> None:
    rgb = np.linspace(0, 0.9, 256, dtype=np.float32)[None, :, None] * np.ones(3, np.float32)
    np.testing.assert_allclose(ViewTransform(named("srgb")).view(rgb), rgb, atol=5e-4)


def test_a_plate_mixes_in_light_unless_it_is_display_referred() -> None:
    rgb = np.array([[[37.5, -0.02, 0.5]]], np.float32)
    assert ViewTransform(named("linear")).mixing(rgb).tolist() == [[[37.5, 0.0, 0.5]]]
    assert ViewTransform(named("srgb")).mixing(rgb).tolist() == [[[1.0, 0.0, 0.5]]]
    assert ViewTransform(named("linear")).mixing(rgb * 100)[0, 0, 0] == 1000.0
    np.testing.assert_allclose(ViewTransform(named("logc3")).mixing(np.full((1, 1, 3), 0.391, np.float32)), 0.18, atol=1e-3)


def test_linear_plates_stay_themselves_and_encoded_ones_become_light() -> None:
    bright = np.array([[[37.5, -0.02, 1e9]]], np.float32)
    np.testing.assert_array_equal(ViewTransform(named("acescg")).scene_linear(bright), bright)
    rgb = np.array([[[37.5, -0.02, 0.5]]], np.float32)
    np.testing.assert_allclose(ViewTransform(named("srgb")).scene_linear(rgb)[0, 0, 1:], [-0.02 / 12.92, 0.21404], rtol=1e-4)


@settings(deadline=None)
@given(arrays(np.float32, (3, 4, 3), elements=st.floats(width=32)), st.sampled_from(["linear", "acescg", "srgb", "acescct"]))
def test_any_float_gives_a_finite_view(rgb: np.ndarray, name: str) -> None:
    transform = ViewTransform(named(name))
    view, mixing = transform.view(rgb), transform.mixing(rgb)
    assert view.dtype == mixing.dtype == np.float32
    assert ((view >= 0) & (view <= 1)).all()
    assert ((mixing >= 0) & (mixing <= 1000)).all()


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=30))
def test_the_view_of_rec709_rises_with_each_channel(values: list[float]) -> None:
    row = np.sort(np.array(values, np.float32))[None, :, None] * np.ones(3, np.float32)
    assert (np.diff(ViewTransform(named("linear")).view(row)[0], axis=0) >= 0).all()


def test_frames_taller_than_a_band_are_seen_whole() -> None:
    rgb = np.random.default_rng(0).random((37, 5, 3)).astype(np.float32)
    view = ViewTransform(named("acescg")).view(rgb)
    np.testing.assert_allclose(view, exact_view(rgb @ named("acescg").to_rec709.T), atol=1e-3)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("linear", "lin_rec709_scene"),
        ("scene-linear", "lin_rec709_scene"),
        ("lin_srgb", "lin_rec709_scene"),
        ("ACEScg", "lin_ap1_scene"),
        ("ACES2065-1", "lin_ap0_scene"),
        ("sRGB", "srgb_rec709_scene"),
        (" Rec709 ", "g24_rec709_scene"),
        ("acescct", "acescct_ap1_scene"),
    ],
)
def test_people_may_type_the_names_they_know(typed: str, name: str) -> None:
    assert named(typed).name == name


def test_no_two_spaces_share_a_name() -> None:
    names = [name for space in SPACES for name in (space.name, *space.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


def test_an_unknown_setting_lists_what_there_is() -> None:
    with pytest.raises(ColourError) as caught:
        resolve("rgb-ish", Hints(), is_float=True)
    assert "'rgb-ish'" in str(caught.value)
    assert "lin_ap1_scene (acescg)" in str(caught.value)


def test_the_first_rule_that_knows_decides() -> None:
    ap0, p3 = numbers(AP0), numbers(named("lin_p3d65_scene").primaries)
    everything = Hints("lin_ap1_scene", p3, True, "sRGB")
    assert [
        (found.space.name, found.source)
        for found in (
            resolve("srgb", everything, is_float=True),
            resolve("auto", everything, is_float=True),
            resolve("auto", Hints(None, p3, True, "sRGB"), is_float=True),
            resolve("", Hints(None, p3, False, "sRGB"), is_float=True),
            resolve("AUTO", Hints(oiio_colorspace="ACEScg"), is_float=True),
            resolve("auto", Hints(chromaticities=ap0), is_float=True),
        )
    ] == [
        ("srgb_rec709_scene", Rule.SETTING),
        ("lin_ap1_scene", Rule.INTEROP_ID),
        ("lin_ap0_scene", Rule.ACES_CONTAINER),
        ("lin_p3d65_scene", Rule.CHROMATICITIES),
        ("lin_ap1_scene", Rule.OIIO),
        ("lin_ap0_scene", Rule.CHROMATICITIES),
    ]


@pytest.mark.parametrize(("is_float", "name"), [(True, "lin_rec709_scene"), (False, "srgb_rec709_scene")])
def test_a_guess_is_never_silent(is_float: bool, name: str) -> None:
    found = resolve("auto", Hints(), is_float=is_float)
    assert (found.space.name, found.source) == (name, Rule.DEFAULT)
    assert found.warning is not None
    assert name in found.warning
    assert "--colorspace" in found.warning


def test_a_name_that_is_not_known_is_repeated_in_the_warning() -> None:
    found = resolve("auto", Hints(oiio_colorspace="KodakLog"), is_float=False)
    assert found.source is Rule.DEFAULT
    assert "'KodakLog'" in (found.warning or "")


def test_what_a_file_says_is_no_guess() -> None:
    assert resolve("auto", Hints(chromaticities=numbers(REC709)), is_float=True).warning is None


@pytest.mark.parametrize("space", [s for s in SPACES if s.is_linear], ids=lambda s: s.name)
def test_rounded_chromaticities_find_their_space(space: ColourSpace) -> None:
    rounded = tuple(round(n, 3) for n in numbers(space.primaries))
    assert resolve("auto", Hints(chromaticities=rounded), is_float=True).space == space


def test_chromaticities_of_an_integer_file_keep_its_curve() -> None:
    p3 = numbers(named("lin_p3d65_scene").primaries)
    assert resolve("auto", Hints(chromaticities=p3), is_float=False).space.name == "srgb_p3d65_scene"
    odd = resolve("auto", Hints(chromaticities=(0.7, 0.3, 0.2, 0.75, 0.15, 0.05, 0.3127, 0.329)), is_float=False).space
    assert (odd.curve, odd.mixes_linear) == (Curve.SRGB, False)


def test_chromaticities_of_no_known_space_make_their_own_with_white_kept_white() -> None:
    tungsten = (0.7, 0.3, 0.2, 0.75, 0.15, 0.05, 0.4476, 0.4074)
    found = resolve("auto", Hints(chromaticities=tungsten), is_float=True)
    assert (found.space.name, found.source) == ("custom", Rule.CHROMATICITIES)
    np.testing.assert_allclose(found.space.to_rec709 @ np.ones(3), 1.0, atol=1e-9)


def test_xyz_numbers_are_relative_to_d65_as_they_come() -> None:
    space = resolve("auto", Hints(chromaticities=XYZ_FILE), is_float=True).space
    assert space.name == "lin_ciexyzd65_scene"
    np.testing.assert_allclose(space.to_rec709 @ [0.95046, 1.0, 1.08906], 1.0, atol=1e-3)


@pytest.mark.parametrize("numbers", [(0.0,) * 8, (0.3, 0.3) * 4, (float("nan"),) * 8, (0.64, 0.33)])
def test_chromaticities_without_meaning_are_passed_over(numbers: tuple[float, ...]) -> None:
    assert resolve("auto", Hints(chromaticities=numbers), is_float=True).source is Rule.DEFAULT


def test_one_picture_written_in_two_spaces_looks_the_same() -> None:
    folder = Path(os.environ.get("VIDEOMATTE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "exr" / "Chromaticities"
    if not folder.is_dir():
        pytest.skip(f"no sample EXRs in {folder}")
    oiio = pytest.importorskip("OpenImageIO")
    views = []
    for name in ("Rec709.exr", "XYZ.exr"):
        image = oiio.ImageInput.open(str(folder / name))
        hints = Hints(chromaticities=image.spec().getattribute("chromaticities"))
        views.append(ViewTransform(resolve("auto", hints, is_float=True).space).view(image.read_image("float")[..., :3]))
    assert np.abs(views[0] - views[1]).mean() < 2e-3
    assert np.quantile(np.abs(views[0] - views[1]), 0.99) < 0.02


def test_known_is_none_where_named_would_raise() -> None:
    assert known("data") is None
