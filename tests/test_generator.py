"""Generated clips: exact parts, classes that never lie, motion that is smooth, seeds that mean the same every time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from bridge.training import foregrounds
from bridge.training.clips import HELD_OUT_SEED, Clips, held_out_clips, make_clips
from bridge.training.composite import Parts, binomial, mixed, occluded, over, sampled, straight
from bridge.training.degrade import compressed
from bridge.training.drafts import _defocused, apart_in_colour, close_in_colour
from bridge.training.footage import Footage, coded_light, save_pack
from bridge.training.foregrounds import CUTOUT, FAMILIES, HELD_OUT, SHARES, TRAINED, available, pooled
from bridge.training.motion import FASTEST, object_motion
from bridge.training.textures import Texture, light_of, moving, unfocused
from bridge.training.trimaps import SOFT, clean_classes, perturbed

QUICK = ("blobs", "edges", "smoke", "spray")


def clips(*, batch: int = 6, times: object = (0, 1, 2), size: int | tuple[int, int] = 64, seed: int = 3, **more: object) -> Clips:
    return make_clips(batch=batch, times=times, size=size, seed=seed, footage=more.pop("footage", None), **{"families": QUICK, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def footage() -> Footage:
    """A pack with one of each kind, made of plain numbers."""
    rng = np.random.default_rng(1)
    run = np.stack([np.full((80, 100, 3), 10 * t, np.uint8) for t in range(8)])
    ramp = np.linspace(0, 20, 90 * 120 * 3, dtype=np.float32).reshape(90, 120, 3)
    cutout = rng.integers(0, 256, (96, 96, 4), np.uint8)
    cutout[:, :, 3] = np.clip(4 * (40 - np.hypot(*(np.mgrid[:96, :96] - 48.0))), 0, 60).astype(np.uint8) * 4
    photograph = rng.integers(0, 256, (90, 120, 3), np.uint8)
    return Footage(photographs=(photograph,), cutouts=(cutout,), panoramas=(coded_light(ramp),), runs=(run,), effects=(cutout,))


def test_plate_is_exactly_alpha_over_background() -> None:
    made = clips(batch=10, clean=True)
    layered = made.curve == 1
    parts = (made.plate, made.alpha, made.foreground, made.background)
    plate, alpha, foreground, background = (p[layered] for p in parts)
    assert torch.equal(plate, alpha * foreground + (1 - alpha) * background)
    for plate, alpha, foreground, background, power in zip(*(p[~layered] for p in parts), made.curve[~layered], strict=True):
        assert torch.allclose(plate**power, alpha * foreground**power + (1 - alpha) * background**power, atol=1e-5)
    assert made.linear.any()
    assert (layered & ~made.linear).any()
    assert not (~layered & made.linear).any()
    assert made.curve.max() > 1.1


def test_a_lens_blurs_colour_and_alpha_alike() -> None:
    side = 192
    alpha = np.zeros((side, side), np.float32)
    alpha[:, side // 2 :] = 255
    colour = np.full((side, side, 3), 40, np.float32)
    colour[:, side // 2 :] = np.where(np.arange(side)[:, None, None] % 4 < 2, 220, 60)
    sharp, blurred = 0, 0
    for seed in range(120):
        soft, shade = _defocused(np.random.default_rng(seed), alpha, colour)
        assert 0 <= soft.min() <= soft.max() <= 255
        assert shade.min() > 39.9
        assert shade.max() < 220.1
        width, contrast = int(((soft[side // 2] > 1) & (soft[side // 2] < 254)).sum()), float(shade[40:-40, side // 2 + 1].std())
        if width == 0:
            sharp += 1
            assert contrast == pytest.approx(80.0)
        elif width > 6:
            blurred += 1
            assert contrast < 70.0
            assert np.abs(shade[40:-40, side // 2 - 2 : side // 2 + 3].mean((0, 2)) - 140.0).max() < 3.0
    assert sharp > 40
    assert blurred > 2


def test_the_same_seed_gives_the_same_clips_and_another_seed_others() -> None:
    one, same, other = clips(batch=3), clips(batch=3), clips(batch=3, seed=4)
    for field in dataclasses.fields(Clips):
        assert torch.equal(getattr(one, field.name), getattr(same, field.name))
    assert (one.plate - other.plate).abs().mean() > 0.02


def test_every_value_is_finite_and_in_its_range() -> None:
    made = clips(batch=12, times=(0, 6, 12))
    for name in ("plate", "view", "alpha", "foreground", "background"):
        assert torch.isfinite(getattr(made, name)).all()
        assert getattr(made, name).dtype == torch.float32
    assert made.view.min() >= 0
    assert made.view.max() <= 1
    assert made.alpha.min() >= 0
    assert made.alpha.max() <= 1
    assert made.foreground.min() >= 0
    assert made.background.min() >= 0
    encoded = ~made.linear
    for values in (made.plate[encoded], made.foreground[encoded], made.background[encoded]):
        assert values.min() >= 0
        assert values.max() <= 1
    assert made.plate[made.linear].max() > 1
    assert set(made.classes.unique().tolist()) <= {0, 1, 2}


def test_alpha_is_often_exactly_0_and_exactly_1() -> None:
    made = clips(batch=8, families=["blobs"], clean=True)
    assert (made.alpha == 0).float().mean() > 0.15
    assert (made.alpha == 1).float().mean() > 0.15


def test_no_certain_pixel_lies_while_trimaps_are_clean() -> None:
    made = clips(batch=16, families=[*QUICK, "glass", "veil"], clean=True)
    assert (made.alpha[made.classes == 0] <= SOFT[0]).all()
    assert (made.alpha[made.classes == 2] >= SOFT[1]).all()


def test_solid_insides_are_certain_foreground_and_far_outsides_certain_background() -> None:
    made = clips(batch=12, families=["blobs"], size=96, clean=True)
    assert (made.classes[made.alpha == 1] == 2).float().mean() > 0.6
    assert (made.classes[made.alpha == 0] == 0).float().mean() > 0.6


def test_motion_is_smooth_so_that_half_a_frame_moves_about_half_as_far() -> None:
    whole = clips(batch=8, times=(0.0, 1.0), families=["blobs"], clean=True)
    half = clips(batch=8, times=(0.0, 0.5), families=["blobs"], clean=True)
    fine = clips(batch=8, times=(0.0, 0.01), families=["blobs"], clean=True)
    change = [float((c.alpha[:, 1] - c.alpha[:, 0]).abs().mean()) for c in (fine, half, whole)]
    assert change[0] < 0.05 * change[2]
    assert 0.25 * change[2] < change[1] < 0.8 * change[2]


def test_a_frame_does_not_depend_on_which_others_are_rendered() -> None:
    near, far = clips(batch=4, times=(0, 1, 2), clean=True), clips(batch=4, times=(2, 24, 26), clean=True)
    still = [b for b in range(4) if torch.equal(near.background[b, 2], far.background[b, 0])]
    assert len(still) >= 2
    for b in still:
        assert torch.allclose(near.alpha[b, 2], far.alpha[b, 0], atol=1e-6)


def test_frames_far_apart_and_different_times_for_each_clip() -> None:
    times = torch.tensor([[0.0, 6.0, 12.0], [-24.0, 0.0, 240.0]])
    made = clips(batch=2, times=times)
    assert made.plate.shape == (2, 3, 3, 64, 64)
    alone = clips(batch=2, times=(0, 6, 12))
    assert torch.equal(made.alpha[0], alone.alpha[0])


def test_frames_need_not_be_square() -> None:
    made = clips(batch=3, size=(48, 80), clean=True)
    assert made.plate.shape[-2:] == (48, 80)
    assert made.classes.shape == (3, 3, 1, 48, 80)


@pytest.mark.parametrize("family", ["smoke", "lace"])
def test_a_family_can_be_chosen(family: str) -> None:
    made = clips(batch=1, families=[family], times=(0,))
    assert made.alpha.max() > 0.05


def test_a_family_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="unicorn"):
        clips(batch=1, families=["unicorn"])
    with pytest.raises(ValueError, match=CUTOUT):
        clips(batch=1, families=[CUTOUT])


def test_training_never_draws_held_out_families() -> None:
    assert not set(HELD_OUT) & set(TRAINED)
    assert not set(HELD_OUT) & set(available(None))
    assert set(HELD_OUT) | set(TRAINED) >= set(FAMILIES)
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_held_out_clips_are_fixed_and_share_no_seed_with_training() -> None:
    one, same = (held_out_clips(0, frames=2, size=64, footage=None) for _ in range(2))
    assert torch.equal(one.plate, same.plate)
    trained = make_clips(batch=1, times=range(2), size=64, seed=HELD_OUT_SEED, footage=None, families=[HELD_OUT[0]])
    assert not torch.equal(one.background, trained.background)


def test_training_never_draws_a_layer_of_what_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(foregrounds, "pooled", lambda family, number: drawn.append(number) or pooled(family, number))
    for seed in (0, 1, 777, 12_000_345):
        clips(batch=12, times=(0,), seed=seed)
    trained = set(drawn)
    drawn.clear()
    for index in range(4):
        held_out_clips(index, frames=1, size=64, footage=None)
        clips(batch=4, times=(0,), seed=index, held_back=True)
    assert len(trained) > 20
    assert len(drawn) > 12
    assert not trained & set(drawn)


def test_strands_are_thin_and_partly_covered() -> None:
    alpha, colour = pooled("strands", 2)
    soft = ((alpha > 8) & (alpha < 247)).mean()
    assert 0.01 < soft < 0.6
    assert (alpha == 255).mean() > 0.01
    assert colour.shape == (*alpha.shape, 3)
    assert colour[alpha > 200].std() > 4


def test_a_pack_is_read_back_as_it_was_written(footage: Footage, tmp_path: Path) -> None:
    save_pack(tmp_path / "pack.safetensors", **{f.name: getattr(footage, f.name) for f in dataclasses.fields(Footage)})
    again = Footage.open(tmp_path / "pack.safetensors")
    for field in dataclasses.fields(Footage):
        for one, two in zip(getattr(footage, field.name), getattr(again, field.name), strict=True):
            np.testing.assert_array_equal(one, two)


def test_every_kind_of_footage_comes_into_clips(footage: Footage) -> None:
    made = clips(batch=16, footage=footage, families=[CUTOUT, "effect"])
    assert torch.isfinite(made.plate).all()
    assert ((made.alpha > 0.9).flatten(1).any(1)).float().mean() > 0.5
    assert made.background[made.linear].max() > 4


def test_a_filmed_run_plays_to_and_fro(footage: Footage) -> None:
    played = moving(np.random.default_rng(0), (40, 40), footage, list(range(30))).pixels[:, 0, 0, 0].astype(int)
    assert set(np.abs(np.diff(played)).tolist()) == {10}
    assert played.max() == 70


def test_logarithmic_codes_keep_light_within_two_per_cent() -> None:
    light = np.geomspace(0.05, 60, 200, dtype=np.float32).reshape(1, 200)
    codes = torch.from_numpy(coded_light(light).astype(np.float32) / 255)
    assert np.abs(light_of(codes).numpy() / light - 1).max() < 0.03


def test_what_stands_in_front_takes_its_share_of_the_matte() -> None:
    foreground, behind = torch.full((1, 3, 2, 2), 0.8), torch.full((1, 3, 2, 2), 0.1)
    alpha = torch.tensor([[[[0.0, 0.5], [0.75, 1.0]]]])
    occluder = torch.cat([torch.full((1, 3, 2, 2), 0.2), torch.full((1, 1, 2, 2), 0.4)], 1)
    parts = occluded(Parts(foreground * alpha, alpha, behind), occluder)
    assert torch.allclose(parts.alpha, 0.6 * alpha)
    expected = occluder[:, :3] + 0.6 * mixed(foreground, alpha, behind)
    assert torch.allclose(parts.premultiplied + (1 - parts.alpha) * parts.behind, expected, atol=1e-6)


def test_over_adds_what_the_upper_layer_lets_through() -> None:
    upper, lower = torch.tensor([0.2, 0.2, 0.2, 0.5]).view(4, 1, 1), torch.tensor([0.4, 0.4, 0.4, 1.0]).view(4, 1, 1)
    assert over(upper, lower).flatten().tolist() == pytest.approx([0.4, 0.4, 0.4, 1.0])


def test_straight_colour_is_exact_inside_and_near_outside() -> None:
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 8:20, 8:20] = 1
    colour = torch.tensor([0.2, 0.5, 3.0]).view(1, 3, 1, 1)
    assert torch.allclose(straight(colour * alpha, alpha), colour.expand(1, 3, 32, 32), atol=0.02)


def test_motion_blur_averages_premultiplied_instants() -> None:
    layer = torch.ones(1, 4, 8, 8)
    y, x = torch.meshgrid(torch.linspace(-0.875, 0.875, 8), torch.linspace(-0.875, 0.875, 8), indexing="ij")
    here = torch.stack([x, y], -1)
    away = here + torch.tensor([4.0, 0.0])
    blurred = sampled(layer, torch.stack([here, away])[None], folded=False, instants=2)
    assert torch.allclose(blurred, torch.full((1, 1, 4, 8, 8), 0.5), atol=1e-6)
    assert torch.allclose(sampled(layer, away[None, None], folded=torch.tensor([True]), instants=1), torch.ones(1, 1, 4, 8, 8), atol=1e-6)


def test_objects_never_pass_the_fastest_speed() -> None:
    fastest = [
        max(np.hypot(*np.diff(m.places(np.arange(0, 24.0))[0], axis=0).T))
        for m in map(object_motion, map(np.random.default_rng, range(300)))
    ]
    assert max(fastest) < 1.6 * FASTEST
    assert np.median(fastest) < 0.25 * FASTEST
    assert np.mean(np.array(fastest) > 0.5 * FASTEST) > 0.03


@pytest.mark.parametrize("quality", [60, 90])
def test_compression_errs_as_the_real_thing_does(quality: int) -> None:
    picture = (binomial(torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))) * 255).round()
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[0].permute(1, 2, 0).numpy()[..., ::-1].astype(np.uint8)), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    real = torch.from_numpy(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    ours = compressed(picture / 255, quality=quality) * 255
    assert (ours - real).abs().mean() < 0.15 * (picture - real).abs().mean() + 0.5
    assert (ours - picture).abs().mean() == pytest.approx(float((real - picture).abs().mean()), rel=0.1)


def test_clean_classes_keep_the_given_distance() -> None:
    alpha = np.zeros((1, 41), np.float32)
    alpha[:, 20] = 0.5
    alpha[:, 21:] = 1
    assert clean_classes(alpha, radius=3.0)[0].tolist() == [0] * 17 + [1] * 7 + [2] * 17
    assert clean_classes(alpha, radius=1.0, inner=5.0)[0].tolist() == [0] * 19 + [1] * 7 + [2] * 15


def test_perturbed_classes_err_a_little_and_the_same_every_time() -> None:
    alpha = (np.hypot(*(np.mgrid[:96, :96] - 48.0)) < 30).astype(np.float32)
    classes = clean_classes(alpha, radius=4.0)

    def spoiled(seed: int, amount: float = 1.0) -> np.ndarray:
        return perturbed(np.random.default_rng(seed), classes, amount=amount)

    np.testing.assert_array_equal(spoiled(1), spoiled(1))
    wrong = [float((spoiled(s, a) != classes).mean()) for a in (0.5, 2.0) for s in range(8)]
    assert 0 < np.mean(wrong[:8]) < np.mean(wrong[8:]) < 0.2


def test_packing_opens_nothing_of_the_validation_photographs(tmp_path: Path) -> None:
    from bridge.evaluation import footage as packing

    rng = np.random.default_rng(0)
    for folder in ("backgrounds", "hdri", "video", "alpha/vapx", "alpha/vfx", "alpha/particles", "alpha/alphaplayer", "validation/image"):
        (tmp_path / folder).mkdir(parents=True)
    wanted = rng.integers(0, 256, (20, 30, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "backgrounds" / "a.png"), wanted[..., ::-1])
    (tmp_path / "validation" / "image" / "b.png").write_bytes(b"whoever reads this fails")
    packed = [*packing.photographs(tmp_path), *packing.panoramas(tmp_path), *packing.effects(tmp_path)]
    assert len(packed) == 1
    np.testing.assert_array_equal(packed[0], wanted)


def test_colours_are_brought_close_to_what_lies_behind_or_apart_from_it() -> None:
    rng = np.random.default_rng(0)
    colour = rng.uniform(80, 160, (64, 64, 3)).astype(np.float32)
    alpha, behind = np.full((64, 64), 255, np.float32), np.full((64, 64, 3), 140, np.uint8)
    way = [
        [float(np.linalg.norm(m(rng, colour, alpha, behind).mean((0, 1)) - 140)) for _ in range(20)]
        for m in (close_in_colour, apart_in_colour)
    ]
    assert np.mean(way[0]) < 25
    assert np.mean(way[1]) > 80


def test_what_is_out_of_focus_has_its_mean_and_no_detail() -> None:
    checks = np.kron(np.indices((24, 24)).sum(0) % 2, np.ones((2, 2))).astype(np.uint8)[..., None].repeat(3, -1) * 255
    blurred = unfocused(np.random.default_rng(4), Texture(checks[None])).pixels
    assert blurred.shape == (1, 48, 48, 3)
    assert abs(float(blurred.mean()) - 127.5) < 3
    assert float(blurred.std()) < 0.6 * float(checks.std())
