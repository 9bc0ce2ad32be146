"""The generator: exact composites, honest trimaps, the same seed the same clips."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bridge.training import trimaps
from bridge.training.clips import HELD_OUT_SEED, Clips, held_out_clips, make_clips
from bridge.training.footage import Footage, filled, save_pack
from bridge.training.foregrounds import FAMILIES, HELD_OUT, SHARES
from bridge.training.textures import still


def clips(seed: int = 1, **choices: object) -> Clips:
    settings: dict[str, object] = {"batch": 2, "times": [0, 1, 2], "size": 64, "footage": None, **choices}
    return make_clips(seed=seed, **settings)  # type: ignore[arg-type]


def same(a: Clips, b: Clips) -> bool:
    return all(torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Clips))


def composite(made: Clips) -> Tensor:
    power = made.curve.view(-1, 1, 1, 1, 1)
    return (made.alpha * made.foreground**power + (1 - made.alpha) * made.background**power) ** (1 / power)


def test_a_clean_plate_is_exactly_its_composite() -> None:
    made = clips(clean=True)
    assert (made.plate - composite(made)).abs().max() < 1e-5


def test_a_degraded_plate_is_near_its_composite_and_not_it() -> None:
    made = clips(seed=4)
    assert 1e-4 < float((made.plate - composite(made)).abs().mean()) < 0.1


def test_the_same_seed_gives_the_same_clips_and_another_others() -> None:
    assert same(clips(seed=7), clips(seed=7))
    assert not same(clips(seed=7), clips(seed=8))


def test_a_clip_does_not_depend_on_its_batch() -> None:
    alone, together = clips(seed=3, batch=1), clips(seed=3, batch=3)
    assert torch.equal(alone.plate[0], together.plate[0])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_draws_something_soft_and_finite(family: str) -> None:
    made = clips(families=[family], batch=3, size=96)
    assert torch.isfinite(made.plate).all()
    assert float(made.alpha.max()) > 0.2
    assert float(made.alpha.min()) >= 0.0
    assert float(((made.alpha > 0.01) & (made.alpha < 0.99)).float().mean()) > 0.001


def test_a_clean_trimap_is_certain_only_where_alpha_is() -> None:
    made = clips(seed=11, batch=6, clean=True)
    low, high = trimaps.SOFT
    assert float(made.alpha[made.classes == 0].max()) <= low + 1e-6
    assert float(made.alpha[made.classes == 2].min()) >= high - 1e-6
    assert (made.classes == 1).any()


def test_stage_one_s_errors_are_few_and_there() -> None:
    alpha = np.zeros((64, 64), np.float32)
    alpha[20:44, 20:44] = 1.0
    classes = trimaps.clean_classes(alpha, radius=3.0)
    moved = trimaps.perturbed(np.random.default_rng(2), classes)
    assert 0.0 < float((moved != classes).mean()) < 0.15


def test_frames_of_a_moving_clip_change_little_by_little() -> None:
    made = clips(seed=5, times=[0, 1, 8], clean=True, batch=4)
    step = (made.alpha[:, 1] - made.alpha[:, 0]).abs().mean()
    leap = (made.alpha[:, 2] - made.alpha[:, 0]).abs().mean()
    assert 0.0 < float(step) < float(leap)


def test_the_view_is_what_a_network_may_see() -> None:
    made = clips(seed=9, batch=6)
    assert float(made.view.min()) >= 0.0
    assert float(made.view.max()) <= 1.0
    shown = ~made.linear
    assert torch.allclose(made.view[shown], made.plate[shown].clamp(0, 1))


def test_held_out_families_are_never_trained_on() -> None:
    assert not set(HELD_OUT) & set(SHARES)
    assert HELD_OUT_SEED > 10_000 * 1_000_003 // 10
    assert same(held_out_clips(1, frames=2, size=48, footage=None), held_out_clips(1, frames=2, size=48, footage=None))


def test_a_pack_is_read_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    layer = rng.integers(0, 256, (60, 60, 4), dtype=np.uint8)
    save_pack(tmp_path / "pack.safetensors", photographs=[picture], cutouts=[layer])
    footage = Footage.open(tmp_path / "pack.safetensors")
    assert np.array_equal(footage.photographs[0], picture)
    assert np.array_equal(footage.cutouts[0], layer)
    made = clips(footage=footage, families=["cutout"])
    assert torch.isfinite(made.plate).all()
    assert still(np.random.default_rng(1), (32, 32), footage).shown.shape == (1, 32, 32, 3)


def test_colour_is_filled_from_what_is_near() -> None:
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 1.0
    colour = np.zeros((40, 40, 3), np.float32)
    colour[:, :20] = (0.8, 0.2, 0.1)
    assert np.abs(filled(colour, alpha) - (0.8, 0.2, 0.1)).max() < 1e-3
