"""Both networks: shapes, exactness, tiles, and that every part of the design is really in the path."""

from __future__ import annotations

import copy
import math
from dataclasses import fields

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bridge.models.inputs import CHANNELS, FIRST_LOOK, PRIOR_ALPHA, encoded, looked_twice, matting_inputs
from bridge.models.layers import AddedUnit, folded
from bridge.models.matting import (
    HALO,
    REDUCED,
    REDUCTION,
    SHARED,
    Features,
    MattingNetwork,
    corrected,
    exact_where_certain,
    guide,
    neighbouring,
    reduced,
    shared,
)
from bridge.models.prior import GUESSES
from bridge.models.propagation import DOUBT, LIKELIER, PropagationNetwork, calibrated, certain_classes, token_places
from bridge.models.temporal import TAPS, Alignment, deformable_convolution, sample


@pytest.fixture(scope="module")
def matting() -> MattingNetwork:
    torch.manual_seed(0)
    network = MattingNetwork().eval()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    for alignment in (network.align8, network.align16):
        torch.nn.init.normal_(alignment.place.weight, std=0.05)
    return network


@pytest.fixture(scope="module")
def propagation() -> PropagationNetwork:
    torch.manual_seed(0)
    network = PropagationNetwork().eval()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    return network


def features_of(network: MattingNetwork, inputs: Tensor) -> Features:
    with torch.no_grad():
        return network.encode(reduced(inputs))


def by_loop(x: Tensor, offset: Tensor, modulation: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Modulated deformable convolution written from its definition, one pixel and one tap at a time; one group."""
    _, c, h, w = x.shape
    out = torch.zeros(1, weight.shape[0], h, w, dtype=x.dtype)

    def read(y: float, at: float) -> Tensor:
        y0, x0 = int(torch.floor(torch.tensor(y))), int(torch.floor(torch.tensor(at)))
        total = torch.zeros(c, dtype=x.dtype)
        for yy, xx in ((y0, x0), (y0, x0 + 1), (y0 + 1, x0), (y0 + 1, x0 + 1)):
            if 0 <= yy < h and 0 <= xx < w:
                total += (1 - abs(y - yy)) * (1 - abs(at - xx)) * x[0, :, yy, xx]
        return total

    for i in range(h):
        for j in range(w):
            for k in range(TAPS):
                dy, dx = offset[0, 2 * k, i, j].item(), offset[0, 2 * k + 1, i, j].item()
                value = read(i + k // 3 - 1 + dy, j + k % 3 - 1 + dx) * modulation[0, k, i, j]
                out[0, :, i, j] += weight[:, :, k // 3, k % 3] @ value
            out[0, :, i, j] += bias
    return out


def test_deformable_convolution_agrees_with_its_definition() -> None:
    torch.manual_seed(1)
    x, weight, bias = torch.randn(1, 4, 6, 7), torch.randn(5, 4, 3, 3), torch.randn(5)
    offset, modulation = 1.5 * torch.randn(1, 2 * TAPS, 6, 7), torch.rand(1, TAPS, 6, 7)
    ours = deformable_convolution(x, offset, modulation, weight, bias, groups=1)
    assert (ours - by_loop(x, offset, modulation, weight, bias)).abs().max() < 1e-4


def test_deformable_convolution_without_offsets_is_a_plain_one() -> None:
    torch.manual_seed(2)
    x, weight, bias = torch.randn(2, 8, 9, 11), torch.randn(6, 8, 3, 3), torch.randn(6)
    still = torch.zeros(2, 2 * 2 * TAPS, 9, 11)
    ours = deformable_convolution(x, still, torch.ones(2, 2 * TAPS, 9, 11), weight, bias, groups=2)
    assert (ours - F.conv2d(x, weight, bias, padding=1)).abs().max() < 1e-4


def test_sampling_with_a_whole_shift_moves_pixels_whole() -> None:
    x = torch.arange(20.0).view(1, 1, 4, 5)
    shift = torch.zeros(1, 2, 4, 5)
    shift[:, 1] = 1.0
    moved = sample(x, shift)
    assert torch.allclose(moved[..., :-1], x[..., 1:], atol=1e-5)
    assert moved[..., -1].abs().max() < 1e-5


def test_a_fresh_alignment_does_not_move_its_neighbour() -> None:
    alignment = Alignment(8)
    alignment.still()
    _, shift = alignment(torch.randn(1, 8, 6, 6), torch.randn(1, 8, 6, 6))
    assert shift.abs().max() == 0.0


def test_a_fresh_network_returns_the_prior() -> None:
    inputs = torch.rand(1, 3, CHANNELS, 64, 96)
    with torch.no_grad():
        alpha = MattingNetwork().eval()(inputs, None)
    assert alpha.shape == (1, 1, 1, 64, 96)
    assert (alpha[0, 0] - inputs[:, 1, PRIOR_ALPHA : PRIOR_ALPHA + 1]).abs().max() < 1e-5


def test_a_fresh_added_unit_changes_nothing_and_a_trained_one_does() -> None:
    unit, x = AddedUnit(8).eval(), torch.randn(1, 8, 6, 6)
    assert torch.equal(unit(x), x)
    torch.nn.init.ones_(unit.change[-1].weight)
    assert (unit(x) - x).abs().max() > 1e-2


def test_the_reduced_view_keeps_means_of_all_and_single_pixels_of_view_and_prior() -> None:
    inputs = torch.rand(1, CHANNELS, 8, 12)
    small = reduced(inputs)
    assert small.shape == (1, REDUCED, 2, 3)
    block, pixel, (row, column) = inputs[0, :, 4:8, 8:12], small[0, :, 1, 2], (3, 1)
    assert torch.allclose(pixel[:CHANNELS], block.mean((1, 2)), atol=1e-6)
    for kept, channel in enumerate((0, 1, 2, PRIOR_ALPHA)):
        part = pixel[CHANNELS + 16 * kept + 4 * row + column]
        assert float(part) == pytest.approx(float(block[channel, row, column] - block[channel].mean()), abs=1e-6)


def test_threads_narrower_than_the_reduced_view_reach_its_every_level(matting: MattingNetwork) -> None:
    even, threads = torch.full((2, 1, CHANNELS, 64, 64), 0.5)
    threads[:, :3, :, ::4], threads[:, :3, :, 2::4] = 0.9, 0.1
    assert torch.allclose(F.avg_pool2d(even, 4), F.avg_pool2d(threads, 4), atol=1e-6)
    seen, missed = features_of(matting, threads), features_of(matting, even)
    for level in fields(Features):
        assert (getattr(seen, level.name) - getattr(missed, level.name)).abs().max() > 1e-2


def test_no_change_keeps_zero_and_one_and_a_change_can_leave_them() -> None:
    ends = torch.tensor([0.0, 0.5, 1.0])
    assert torch.allclose(corrected(ends, torch.zeros(3)), ends, atol=1e-6)
    assert corrected(torch.tensor([0.0]), torch.tensor([6.0])).item() > 0.85
    assert corrected(torch.tensor([0.5]), torch.tensor([-9.0])).item() == 0.0


def test_alpha_is_exact_where_the_trimap_is_certain() -> None:
    classes = torch.tensor([[[[0, 1, 2]]]])
    assert exact_where_certain(torch.full((1, 1, 1, 3), 0.3), classes).flatten().tolist() == pytest.approx([0.0, 0.3, 1.0])


def test_the_fine_levels_see_no_farther_than_the_halo(matting: MattingNetwork) -> None:
    given = [torch.rand(1, CHANNELS, 160, 160), torch.rand(1, 2 * len(SHARED), 160, 160), torch.rand(1, 48, 40, 40)]
    changed = [part.clone() for part in given]
    edge, inner = 80 - HALO, slice(80, 160)
    for part, stride in zip(changed, (1, 1, REDUCTION), strict=True):
        part[..., : edge // stride] = torch.rand_like(part[..., : edge // stride])
    with torch.no_grad():
        before, after = matting.refine(*given), matting.refine(*changed)
    assert torch.equal(before[..., inner], after[..., inner])
    assert (before[..., : edge - 1] - after[..., : edge - 1]).abs().max() > 1e-3


@pytest.mark.parametrize("neighbour", [0, 2])
def test_both_neighbours_reach_the_alpha(matting: MattingNetwork, neighbour: int) -> None:
    inputs = torch.rand(1, 3, CHANNELS, 64, 64)
    other = inputs.clone()
    other[:, neighbour] = torch.rand(1, CHANNELS, 64, 64)
    with torch.no_grad():
        assert (matting(inputs, None) - matting(other, None)).abs().max() > 1e-4


def test_motion_is_searched_on_the_views_luma_alone() -> None:
    inputs = torch.rand(2, CHANNELS, 32, 48)
    luma = (255.0 * (0.2126 * inputs[:, 0] + 0.7152 * inputs[:, 1] + 0.0722 * inputs[:, 2])).round()
    assert (guide(inputs).float() - luma).abs().max() <= 1.0
    inputs[:, 3:] = torch.rand(2, CHANNELS - 3, 32, 48)
    assert (guide(inputs).float() - luma).abs().max() <= 1.0


def test_each_neighbour_is_shown_where_its_own_motion_leads() -> None:
    before, after = torch.rand(2, 1, len(SHARED), 32, 32)
    motion = torch.zeros(1, 4, 32, 32)
    motion[:, 0], motion[:, 3] = 3.0, -2.0  # down to the frame before, left to the one after
    found = neighbouring(before, after, motion)
    assert torch.equal(found[0, : len(SHARED), 29:], torch.zeros(len(SHARED), 3, 32)), "from outside the frame comes nothing"
    assert (found[:, : len(SHARED), :29] - before[:, :, 3:]).abs().max() < 1e-4
    assert (found[:, len(SHARED) :, :, 2:] - after[:, :, :, :-2]).abs().max() < 1e-4


def test_neighbours_that_moved_are_fused_as_if_they_had_not(matting: MattingNetwork) -> None:
    picture = F.interpolate(torch.rand(1, CHANNELS, 24, 24, generator=torch.Generator().manual_seed(4)), scale_factor=16.0, mode="bicubic")
    there, here = picture[..., 32:352, 64:384], picture[..., 32:352, 32:352]  # what lies here at x lies there at x - 32
    motion = torch.zeros(1, 4, 320, 320)
    motion[:, 1] = motion[:, 3] = -32.0
    still, moved = features_of(matting, here), features_of(matting, there)
    inside = slice(40, 68)  # at stride 4, far from where the frame ends
    with torch.no_grad():
        same = matting.fuse(still, still, still, None)[..., 24:56, inside]
        led, lost = (matting.fuse(moved, still, moved, m)[..., 24:56, inside] for m in (motion, None))
    assert (led - same).abs().mean() < 0.2 * (lost - same).abs().mean()


def test_frames_encoded_once_and_kept_give_the_same_alpha(matting: MattingNetwork) -> None:
    inputs, motion = torch.rand(1, 3, CHANNELS, 64, 64), 3.0 * torch.randn(1, 4, 64, 64)
    kept = [features_of(matting, inputs[:, i]) for i in range(3)]
    with torch.no_grad():
        beside = neighbouring(shared(inputs[:, 0]), shared(inputs[:, 2]), motion)
        alpha = matting.refine(inputs[:, 1], beside, matting.fuse(*kept, motion))
        assert (alpha - matting(inputs, motion[:, None])[:, 0]).abs().max() < 1e-5


def test_faint_background_counts_beside_sure_background_and_cuts_no_hole_into_a_subject() -> None:
    probabilities = torch.zeros(1, 3, 64, 64)
    probabilities[:, 1] = 1.0
    for columns, background in ((slice(0, 16), 0.9), (slice(16, 20), 0.5), (slice(40, 44), 0.5)):
        probabilities[0, :, :, columns] = torch.tensor([background, 1.0 - background, 0.0])[:, None, None]
    probabilities[0, :, :, 52:] = torch.tensor([0.0, 0.5, 0.5])[:, None, None]
    classes = certain_classes(probabilities, size=(64, 64))
    assert classes[0, 0, 32].tolist() == [0] * 20 + [1] * 32 + [2] * 12


def test_a_small_hole_in_a_subject_is_unknown_however_sure_it_is() -> None:
    probabilities = torch.zeros(1, 3, 96, 96)
    probabilities[:, 2], probabilities[:, :, :, :20] = 1.0, torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    probabilities[:, :, 30:40, 40:50] = torch.tensor([0.9, 0.1, 0.0]).view(1, 3, 1, 1)
    probabilities[:, :, 60:80, 60:80] = torch.tensor([0.9, 0.1, 0.0]).view(1, 3, 1, 1)
    classes = certain_classes(probabilities, size=(96, 96))[0, 0]
    assert bool((classes[:, :19] == 0).all())
    assert bool((classes[30:40, 40:50] == 1).all()), "an eye"
    assert bool((classes[62:78, 62:78] == 0).all()), "a gap between an arm and a body"


def test_background_is_decided_by_better_odds_than_the_network_gives_it() -> None:
    given = torch.tensor([0.30, 0.55, 0.15]).view(1, 3, 1, 1)
    found = calibrated(given)
    assert float(found.sum()) == pytest.approx(1.0)
    assert float(found[0, 0] / found[0, 1]) == pytest.approx(LIKELIER * 0.30 / 0.55)
    assert float(found[0, 2] / found[0, 1]) == pytest.approx(0.15 / 0.55)


def test_a_frame_alone_is_one_between_itself_and_itself(matting: MattingNetwork) -> None:
    inputs = torch.rand(2, CHANNELS, 64, 96)
    with torch.no_grad():
        for motion in (None, torch.zeros(2, 1, 4, 64, 96)):
            assert (matting.alone(inputs) - matting(inputs[:, None].expand(-1, 3, -1, -1, -1), motion)[:, 0]).abs().max() < 1e-5


def test_folding_normalisation_changes_nothing() -> None:
    torch.manual_seed(3)
    network = MattingNetwork()
    network.train()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    inputs = torch.rand(2, 3, CHANNELS, 64, 64)
    network(inputs, None)
    network.eval()
    with torch.no_grad():
        before = network(inputs, None)
        after = folded(network)(inputs, None)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    assert (before - after).abs().max() < 1e-4


def test_the_inputs_say_what_they_claim() -> None:
    torch.manual_seed(4)
    classes = torch.ones(1, 1, 32, 32, dtype=torch.uint8)
    classes[..., :10], classes[..., 22:] = 0, 2
    colours = torch.rand(1, 3, 32, 32)
    inputs = matting_inputs(colours, colours, classes, linear=False)
    assert inputs.shape == (1, CHANNELS, 32, 32)
    assert torch.isfinite(inputs).all()
    assert torch.equal(inputs[:, 3:6].sum(1), torch.ones(1, 32, 32))
    prior = inputs[0, PRIOR_ALPHA]
    assert prior[:, :10].max() == 0.0
    assert prior[:, 22:].min() == 1.0


def test_colours_are_encoded_as_the_view_shows_them() -> None:
    import numpy as np

    from bridge.imaging.spaces import LINEAR_REC709
    from bridge.imaging.view import ViewTransform

    light = np.geomspace(1e-4, 100, 300, dtype=np.float32).reshape(10, 10, 3)
    view = ViewTransform(LINEAR_REC709).view(light)
    ours = encoded(torch.from_numpy(light).permute(2, 0, 1)[None], True)[0].permute(1, 2, 0).numpy()
    assert np.abs(view - ours).max() < 1e-3


def test_propagation_returns_three_classes_at_the_view_s_size(propagation: PropagationNetwork) -> None:
    view = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        frame = propagation.encode(view)
        memory = propagation.remember(frame, view, torch.rand(1, 3, 64, 96))
        logits = propagation.decode(frame, view, propagation.read(frame, [memory, memory]))
    assert logits.shape == (1, 3, 64, 96)


def test_reading_from_one_reference_twice_is_reading_it_once(propagation: PropagationNetwork) -> None:
    view = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        frame = propagation.encode(view)
        memory = propagation.remember(frame, view, torch.rand(1, 3, 64, 64))
        once, twice = propagation.read(frame, [memory]), propagation.read(frame, [memory, memory])
    assert all((getattr(once, f.name) - getattr(twice, f.name)).abs().max() < 1e-4 for f in fields(once))


def test_a_memory_s_trimap_is_what_the_target_reads(propagation: PropagationNetwork) -> None:
    view = torch.rand(1, 3, 64, 64)
    one = torch.zeros(1, 3, 64, 64)
    one[:, 2] = 1.0
    with torch.no_grad():
        frame = propagation.encode(view)
        read = propagation.read(frame, [propagation.remember(frame, view, one)])
    assert read.tokens[:, 8:12].min() > 0.999
    assert read.tokens[:, :8].abs().max() < 1e-3
    assert read.trimap[:, 2].min() > 0.999
    assert read.trimap[:, :2].abs().max() < 1e-3


def test_a_frame_like_the_key_reads_from_near_what_was_painted_there(propagation: PropagationNetwork) -> None:
    view = torch.rand(1, 3, 96, 128)
    sharp = copy.deepcopy(propagation)
    with torch.no_grad():
        sharp.closer.sharpness.fill_(8.0)
        frame = sharp.encode(view)
        painted = torch.rand(1, 3, 96, 128).softmax(1)
        read = sharp.read(frame, [sharp.remember(frame, view, painted)])
    assert (read.trimap - F.avg_pool2d(painted, 2)).abs().max() < 1e-2
    assert (read.colours - F.avg_pool2d(view, 2)).abs().max() < 1e-2


def test_a_solved_frame_must_match_better_than_a_key_to_be_read(propagation: PropagationNetwork) -> None:
    view = torch.rand(1, 3, 64, 64)
    background, foreground = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    background[:, 0], foreground[:, 2] = 1.0, 1.0
    with torch.no_grad():
        frame = propagation.encode(view)
        key, solved = (propagation.remember(frame, view, classes) for classes in (background, foreground))
        alike = propagation.read(frame, [key, solved]).tokens[:, 8:12]
        doubted = propagation.read(frame, [key], [solved]).tokens[:, 8:12]
    assert alike.mean().item() == pytest.approx(0.5, abs=1e-3)
    assert doubted.mean().item() == pytest.approx(1 / (1 + math.exp(DOUBT)), abs=1e-3)


def test_tokens_have_their_place_in_the_display() -> None:
    places = token_places(2, 3, long_side=64.0, origin=(16.0, 8.0))
    assert places.shape == (6, 2)
    assert places[0].tolist() == pytest.approx([(16 + 4) / 64, (8 + 4) / 64])
    assert places[5].tolist() == pytest.approx([(16 + 20) / 64, (8 + 12) / 64])


def test_any_memory_layout_and_batch_gives_the_same_alpha(matting: MattingNetwork) -> None:
    inputs, motion = torch.rand(2, 4, CHANNELS, 64, 64), 3.0 * torch.randn(2, 2, 4, 64, 64)
    with torch.no_grad():
        usual = matting(inputs, motion)
        last = MattingNetwork().eval()
        last.load_state_dict(matting.state_dict())
        for parameter in last.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        assert (last(inputs, motion) - usual).abs().max() < 1e-4


def test_inputs_of_a_batch_are_those_of_its_frames() -> None:
    colours = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    classes = torch.full((2, 1, 48, 64), 1)
    classes[0, ..., :20], classes[0, ..., 40:] = 0, 2
    classes[1, ..., :10, :], classes[1, ..., 30:, :] = 2, 0
    linear = torch.tensor([True, False])
    together = matting_inputs(colours, colours, classes, linear=linear)
    for n in range(2):
        alone = matting_inputs(colours[n : n + 1], colours[n : n + 1], classes[n : n + 1], linear=bool(linear[n]))
        assert (together[n] - alone[0]).abs().max() < 1e-5


def test_only_a_frame_that_lacks_a_class_is_looked_at_twice() -> None:
    colours = torch.rand(3, 3, 48, 64, generator=torch.Generator().manual_seed(2))
    classes = torch.ones(3, 1, 48, 64, dtype=torch.uint8)
    classes[..., :20], classes[0, ..., 40:] = 0, 2  # the second and third have no certain foreground
    linear, seen = torch.tensor([True, False, True]), []
    guesses = torch.rand(GUESSES, 2, 1, 48, 64, generator=torch.Generator().manual_seed(3))

    def look(inputs: Tensor) -> Tensor:
        seen.append(inputs.clone())
        return guesses[len(seen) - 1]

    once = matting_inputs(colours, colours, classes, linear=linear)
    twice = looked_twice(colours, colours, classes, linear=linear, look=look)
    assert len(seen) == GUESSES  # one of each of the prior's guesses, of which `matting_inputs` has the mean
    assert torch.allclose(torch.stack(seen).mean(0)[:, PRIOR_ALPHA], once[1:, PRIOR_ALPHA], atol=1e-6)
    assert all(torch.equal(s[:, part], once[1:, part]) for s in seen for part in (slice(PRIOR_ALPHA), slice(FIRST_LOOK, None)))
    assert torch.allclose(twice[0], once[0], atol=1e-5)
    assert (twice[1:, PRIOR_ALPHA] - once[1:, PRIOR_ALPHA]).abs().max() > 0.1
    assert torch.equal(twice[1:, :PRIOR_ALPHA], once[1:, :PRIOR_ALPHA])
    assert torch.equal(twice[1:, FIRST_LOOK], torch.where(classes[1:] == 1, 2.0 * guesses.mean(0) - 1.0, 0.0)[:, 0])


def test_a_frame_looked_at_twice_does_not_see_the_others_of_its_batch(matting: MattingNetwork) -> None:
    colours = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(6))
    classes = torch.ones(3, 1, 64, 64, dtype=torch.uint8)
    classes[:, :, :20], classes[1, :, 50:], classes[2, :, 60:] = 0, 2, 2
    with torch.no_grad():
        together = looked_twice(colours, colours, classes, linear=True, look=matting.alone)
        for n in range(3):
            one = slice(n, n + 1)
            alone = looked_twice(colours[one], colours[one], classes[one], linear=True, look=matting.alone)
            assert (together[n] - alone[0]).abs().mean() < 1e-3
