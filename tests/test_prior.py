"""The colour prior, on composites whose alpha is known exactly and on trimaps that lack something."""

from __future__ import annotations

import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from bridge.models.inputs import FIRST_LOOK, looked_twice, matting_inputs
from bridge.models.prior import (
    BESIDE,
    CAMERA,
    ENOUGH,
    GUESSES,
    SCARCE,
    Prior,
    _completed,
    colour_prior,
    distances,
    explained,
    plain_pixels,
    scarce,
)
from bridge.models.sampling import ALIKE, grown

DATA = Path(os.environ.get("VIDEOMATTE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FORE, BACK = (0.9, 0.25, 0.1), (0.1, 0.3, 0.7)


def edge(height: int = 48, width: int = 64, *, scale: float = 1.0, power: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return colours, classes and true alpha of a soft diagonal edge between two flat colours, mixed in a power of theirs."""
    row, column = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    alpha = ((column - 0.3 * row - 0.35 * width) / 14.0 + 0.5 + 0.15 * torch.sin(row / 2.0)).clamp(0.0, 1.0)[None, None]
    fore, back = torch.tensor(FORE).view(1, 3, 1, 1) * scale, torch.tensor(BACK).view(1, 3, 1, 1)
    classes = torch.ones_like(alpha, dtype=torch.int64)
    classes[alpha <= 0.0] = 0
    classes[alpha >= 1.0] = 2
    return (alpha * fore**power + (1.0 - alpha) * back**power) ** (1.0 / power), classes, alpha


def finite(prior: Prior) -> bool:
    parts = (prior.alpha, prior.foreground, prior.background, prior.confidence, prior.separation)
    return all(bool(torch.isfinite(part).all()) for part in parts)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("step", [1, 2])
def test_a_two_colour_composite_gives_its_alpha_back(linear: bool, step: int) -> None:
    colours, classes, alpha = edge(power=1.0 if linear else CAMERA)
    prior = colour_prior(colours, classes, linear=linear, step=step)
    assert float((prior.alpha - alpha).abs()[classes == 1].mean()) < 0.02
    assert float(prior.confidence[classes == 1].mean()) > 0.8


def test_certain_pixels_are_exact() -> None:
    colours, classes, _ = edge()
    prior = colour_prior(colours, classes, linear=False)
    assert bool((prior.alpha[classes == 2] == 1.0).all())
    assert bool((prior.alpha[classes == 0] == 0.0).all())
    assert bool((prior.confidence[classes != 1] == 1.0).all())
    certain = (classes == 2).expand(-1, 3, -1, -1)
    assert torch.equal(prior.foreground[certain], colours[certain])


def test_a_frame_does_not_see_the_others_of_its_batch() -> None:
    colours, classes, _ = edge()
    other = colours.flip(-1) * 0.5
    together = colour_prior(torch.cat([colours, other]), torch.cat([classes, classes.flip(-1)]), linear=torch.tensor([True, False]))
    for n, (image, trimap, linear) in enumerate([(colours, classes, True), (other, classes.flip(-1), False)]):
        alone = colour_prior(image, trimap, linear=linear)
        assert float((together.alpha[n] - alone.alpha[0]).abs().max()) < 1e-4
        assert float((together.foreground[n] - alone.foreground[0]).abs().max()) < 1e-5


@pytest.mark.parametrize("missing", [0, 2, (0, 2)])
@pytest.mark.parametrize("step", [1, 2])
def test_a_trimap_without_a_class_still_gives_a_finite_answer(missing: int | tuple[int, int], step: int) -> None:
    colours, classes, alpha = edge()
    for kind in missing if isinstance(missing, tuple) else (missing,):
        classes = torch.where(classes == kind, 1, classes)
    prior = colour_prior(colours, classes, linear=False, step=step)
    assert finite(prior)
    if missing == 2:
        assert float((prior.alpha - alpha).abs()[classes == 1].mean()) < 0.1


@pytest.mark.parametrize("missing", [0, 2])
def test_a_class_without_certain_pixels_is_what_only_the_unknown_holds(missing: int) -> None:
    known = 2 - missing
    colours, classes = torch.tensor((0.35, 0.3, 0.25)).view(1, 3, 1, 1).repeat(1, 1, 96, 96), torch.full((1, 1, 96, 96), known)
    colours[..., :8, :], colours[..., 40:56, 60:] = 1.0, 1.0  # a window, and another before which something is looked for
    classes[..., 30:90, 10:86] = 1
    leaves = torch.zeros_like(classes, dtype=torch.bool)
    leaves[..., 34:86:8, 16:80], leaves[..., 35:87:8, 16:80] = True, True
    colours = torch.where(leaves, torch.tensor((0.2, 0.35, 0.1)).view(1, 3, 1, 1), colours)
    grain = torch.randn(colours.shape, generator=torch.Generator().manual_seed(0))
    prior = colour_prior((colours + 0.01 * grain).clamp(0.0, 1.0), classes, linear=False)
    wrong = (prior.alpha - (leaves.float() if missing == 2 else 1.0 - leaves.float())).abs()
    assert float(wrong[classes == 1].mean()) < 0.05


def net_before_a_wall() -> tuple[Tensor, Tensor, Tensor]:
    """Return colours, classes and alpha of a red net before a white wall that is nowhere certain background; what is certain is grey."""
    colours = torch.tensor((0.3, 0.3, 0.32)).view(1, 3, 1, 1).repeat(1, 1, 96, 96)
    colours[..., 10:86, 10:86] = 0.95
    classes = torch.ones(1, 1, 96, 96, dtype=torch.uint8)
    classes[..., :10], classes[..., -10:] = 0, 0
    alpha = torch.zeros(1, 1, 96, 96)
    alpha[..., 16:80:6, 16:80], alpha[..., 17:80:6, 16:80], alpha[..., 16:80, 16:80:6] = 1.0, 1.0, 1.0
    return torch.lerp(colours, torch.tensor((0.6, 0.1, 0.1)).view(1, 3, 1, 1), alpha), classes, alpha


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("step", [1, 2])
def test_a_guess_tells_what_the_colours_that_stand_for_a_scarce_class_are(exchanged: bool, step: int) -> None:
    colours, classes, alpha = net_before_a_wall()
    unknown = classes == 1
    guess = 0.5 + 0.4 * (2.0 * alpha - 1.0)
    guess[..., 40:, :] = 0.5  # of more than half it knows nothing
    if exchanged:
        classes, alpha, guess = 2 - classes, 1.0 - alpha, 1.0 - guess
    once = colour_prior(colours, classes, linear=False, step=step)
    twice = colour_prior(colours, classes, linear=False, step=step, plain=plain_pixels(classes, guess))
    before, after = (float((p.alpha - alpha).abs()[unknown].mean()) for p in (once, twice))
    assert finite(twice)
    assert after < 0.6 * before
    assert torch.equal(twice.alpha[~unknown], once.alpha[~unknown])


def test_nothing_stands_for_a_class_that_is_not_scarce_or_nowhere_plain() -> None:
    _, classes, alpha = edge()
    assert not bool((scarce(classes, 0) | scarce(classes, 2)).any())
    assert bool((plain_pixels(classes, 1.0 - alpha) == 1).all())
    _, classes, alpha = net_before_a_wall()
    faint = torch.where(alpha > 0, 0.7, 0.3)
    least = int(ENOUGH * int((classes == 1).sum()))
    for more in (0, 1):
        guess = faint.clone()
        guess.view(-1)[(classes == 1).flatten().nonzero()[: least + more, 0]] = 1.0
        assert int((plain_pixels(classes, guess) == 2).sum()) == (least + 1 if more else 0)


def test_gaps_stand_for_background_only_near_what_is_opaque() -> None:
    _, classes, _ = net_before_a_wall()
    classes[..., :10, :] = 0
    guess = torch.full(classes.shape, 0.1)
    guess[..., 60:70, 60:70] = 0.9
    reach = round(BESIDE * 96)
    expected = torch.ones_like(classes)
    expected[..., 60 - reach : 70 + reach, 60 - reach : 70 + reach] = 0
    expected[..., 60:70, 60:70] = 2
    found = plain_pixels(torch.cat([classes, classes, 2 - classes]), torch.cat([guess, torch.full_like(guess, 0.1), 1.0 - guess]))
    assert torch.equal(found[0], expected[0])
    assert bool((found[1] == 1).all())
    assert torch.equal(found[2], 2 - expected[0])


@pytest.mark.parametrize("top", [255, 256])
def test_what_is_plain_does_not_depend_on_the_part_that_is_searched(top: int) -> None:
    classes = torch.ones(1, 1, 2500, 8, dtype=torch.uint8)
    classes[..., :top, :] = 0  # plenty in the whole frame, though not where colours are searched
    colours = torch.rand(1, 3, 2500, 8, generator=torch.Generator().manual_seed(0))
    once = matting_inputs(colours, colours, classes, linear=False)
    twice = looked_twice(colours, colours, classes, linear=False, look=lambda inputs: torch.zeros_like(inputs[:, :1]))
    assert torch.equal(twice[:, :FIRST_LOOK], once[:, :FIRST_LOOK])


def test_what_stands_for_one_class_never_stands_for_the_other() -> None:
    classes = torch.ones(1, 40, 40, dtype=torch.uint8)
    plain = torch.full_like(classes, 2)
    plain[:, :2] = 1
    colours = torch.rand(3, 1600, generator=torch.Generator().manual_seed(5))
    foreground, background = _completed(colours, classes, torch.tensor([False]), plain)
    assert bool(background.any())
    assert not bool((foreground & background).any())


def test_a_class_is_scarce_against_the_unknown_of_its_own_frame() -> None:
    classes = torch.zeros(3, 1, 10, 100, dtype=torch.uint8)
    few = int(100 * SCARCE) - 1
    classes[0], classes[1:, ..., :100], classes[2, ..., :few] = 0, 1, 2
    classes[:2, ..., :1, -30:] = 0
    assert 0 < few / (100 - few) < SCARCE
    assert scarce(classes, 2).tolist() == [False, True, True]
    assert scarce(classes, 0).tolist() == [False, False, True]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 3), (17, 31)])
@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("step", [1, 2])
def test_tiny_odd_and_uniform_frames_are_answered(size: tuple[int, int], kind: int, step: int) -> None:
    colours = torch.linspace(0.0, 1.0, 3 * math.prod(size)).view(1, 3, *size)
    prior = colour_prior(colours, torch.full((1, 1, *size), kind), linear=True, step=step)
    assert finite(prior)
    assert float(prior.alpha.min()) >= 0.0
    assert float(prior.alpha.max()) <= 1.0


def test_highlights_and_black_stay_finite_and_solve() -> None:
    colours, classes, alpha = edge(scale=1000.0)
    prior = colour_prior(colours, classes, linear=True)
    assert finite(prior)
    assert float((prior.alpha - alpha).abs()[classes == 1].mean()) < 0.05
    assert finite(colour_prior(torch.zeros_like(colours), classes, linear=True))


def test_distances_equal_brute_force() -> None:
    torch.manual_seed(3)
    classes = torch.where(torch.rand(2, 1, 23, 37) < 0.03, torch.randint(0, 3, (2, 1, 23, 37)), 1)
    for limit in (4.0, 9.5, 64.0):
        for kind, found in zip((0, 2), distances(classes, limit=limit), strict=True):
            for n in range(2):
                known = (classes[n, 0] == kind).nonzero().float()
                places = torch.ones(23, 37).nonzero().float()
                truth = torch.cdist(places, known).min(1)[0].clamp(max=limit).view(23, 37)
                assert torch.allclose(found[n, 0], truth, atol=1e-4)


def test_a_class_that_is_absent_is_at_the_limit() -> None:
    near, far = distances(torch.zeros(1, 1, 5, 6, dtype=torch.int64), limit=64.0)
    assert bool((near == 0.0).all())
    assert bool((far == 64.0).all())


def photograph(number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return display-referred colours, classes and true alpha of one validation photograph, trimap1."""
    image, trimap, truth = (
        cv2.imread(str(DATA / "validation" / folder / f"GT{number:02d}.png"), flag)
        for folder, flag in (("image", cv2.IMREAD_COLOR), ("trimap1", cv2.IMREAD_GRAYSCALE), ("alpha", cv2.IMREAD_GRAYSCALE))
    )
    assert image is not None
    colours = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))).float()[None] / 255.0
    classes = torch.from_numpy(np.select([trimap == 0, trimap == 255], [0, 2], 1))[None, None]
    return colours, classes, torch.from_numpy(truth).float()[None, None] / 255.0


@pytest.mark.parametrize(("step", "sad", "mse"), [(1, 1.00, 0.0053), (2, 1.06, 0.0059)])
def test_on_photographs_the_prior_keeps_what_it_has_reached(step: int, sad: float, mse: float) -> None:
    if not (DATA / "validation").is_dir():
        pytest.skip(f"no validation photographs in {DATA}")
    found = []
    for number in (1, 5, 12):
        colours, classes, truth = photograph(number)
        error = (colour_prior(colours, classes, linear=False, step=step).alpha - truth)[classes == 1]
        found.append((float(error.abs().sum()) / 1000.0, float(error.square().mean())))
    assert sum(row[0] for row in found) / 3.0 < sad
    assert sum(row[1] for row in found) / 3.0 < mse


@pytest.mark.parametrize("step", [1, 2])
def test_the_number_of_threads_changes_nothing(step: int) -> None:
    colours, classes, _ = edge(160, 200)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(colour_prior(colours, classes, linear=True, step=step))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0].alpha, results[1].alpha)
    assert torch.equal(results[0].background, results[1].background)


def test_grain_moves_the_alpha_less_than_the_plate() -> None:
    colours, classes, alpha = edge(96, 128, power=CAMERA)
    grain = 0.03 * torch.randn(colours.shape, generator=torch.Generator().manual_seed(5))
    prior = colour_prior((colours + grain).clamp(min=0.0), classes, linear=False)
    assert float((prior.alpha - alpha).abs()[classes == 1].mean()) < 0.03


def test_far_away_unknown_pixels_do_not_change_an_edge() -> None:
    colours, classes, _ = edge(300, 400)
    spotted = classes.clone()
    spotted[..., 0, 0] = 1
    edges = classes == 1
    alone, together = (colour_prior(colours, marks, linear=False).alpha[edges] for marks in (classes, spotted))
    assert torch.allclose(alone, together, atol=1e-3)


@pytest.mark.parametrize("step", [1, 2])
def test_the_prior_is_the_mean_of_guesses_that_differ(step: int) -> None:
    colours = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(7))
    classes = torch.ones(2, 1, 64, 64, dtype=torch.uint8)
    classes[..., :16], classes[..., 48:] = 0, 2
    linear = torch.tensor([True, False])
    guesses = [explained(colours, classes, linear=linear, step=step, guess=guess) for guess in range(GUESSES)]
    mean = explained(colours, classes, linear=linear, step=step)
    for name in ("alpha", "foreground", "background", "confidence", "separation"):
        parts = torch.stack([getattr(guess, name) for guess in guesses])
        assert torch.allclose(getattr(mean, name), parts.mean(0), atol=1e-6)
        assert (parts[0] - parts[-1]).abs().max() > 0.05


def test_a_pixel_that_looks_somewhat_like_what_is_known_is_joined_to_it_in_one_guess_and_not_in_the_other() -> None:
    alike, known = sum(ALIKE) / len(ALIKE), torch.zeros(1, 8, 8, dtype=torch.bool)
    foreground, background = known.clone(), known.clone()
    foreground[..., 0], background[..., 7] = True, True
    colours = torch.zeros(3, 8, 8)
    colours[0, :, :4], colours[0, :, 4:] = 0.8, 0.2
    colours[0, 3, 2] += alike
    sides = grown(foreground, background, colours.flatten(1), torch.ones(64), alike=ALIKE, step=1)
    assert [bool(f[0, 3, 2]) for f, _ in sides] == [a > alike for a in ALIKE]
    assert all(bool((f & foreground).sum() == 8) and not bool((f & b).any()) for f, b in sides)
