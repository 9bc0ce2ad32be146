"""Glitches: one frame becomes ambiguous, its neighbours do not, nothing certain becomes a lie, and ST-FAM is taught by it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from bridge.models.inputs import CHANNELS, CONFIDENCE, FIRST_LOOK, PRIOR_ALPHA, UNKNOWN_CHANNEL, matting_inputs
from bridge.models.matting import MattingNetwork
from bridge.training import drafts, losses
from bridge.training.clips import make_clips
from bridge.training.degrade import Wear
from bridge.training.foregrounds import OPAQUE, OPEN, SEE_THROUGH, available, layer
from bridge.training.glitches import KINDS, STILL, Glitch, camouflaged, drawn_glitch, loosened, mistaken, moments, worsened
from bridge.training.stages import Lesson, Setting, evened, misled, motion_of, played, prepared

SIZE = (32, 40)
WEAR = Wear(shot=0.01, read=0.0, coarse=0.0, sharpen=0.0, eight=False, quality=0.0, worse=(1.0, 3.0, 1.0))


def glitch(*, frames: int = 3, **more: object) -> Glitch:
    nothing = {
        "hidden": np.zeros((frames, *SIZE), np.float32),
        "noisier": (1.0,) * frames,
        "swell": (0,) * frames,
        "forgotten": np.zeros((frames, *SIZE), bool),
        "slipped": (0.0,) * frames,
        "loose": np.zeros((2, *SIZE), np.float32),
        "kind": "usual",
    }
    return Glitch(**(nothing | more))  # type: ignore[arg-type]


def squares() -> np.ndarray:
    classes = np.zeros((3, *SIZE), np.uint8)
    classes[:, 8:24, 8:24] = 1
    classes[:, 12:20, 12:20] = 2
    return classes


def test_a_hidden_frame_has_the_foreground_behind_itself_and_the_others_keep_their_background() -> None:
    hidden = np.zeros((3, *SIZE), np.float32)
    hidden[1, :, :20] = 1.0
    foreground, background = torch.full((1, 3, 3, *SIZE), 0.7), torch.full((1, 3, 3, *SIZE), 0.1)
    found = camouflaged(background, foreground, [glitch(hidden=hidden)])
    assert found[0, 1, :, :, :20].allclose(torch.tensor(0.7), atol=1e-6)
    assert torch.equal(found[0, 1, :, :, 20:], background[0, 1, :, :, 20:])
    assert torch.equal(found[:, [0, 2]], background[:, [0, 2]])


def test_a_noisy_frame_is_noisier_and_noise_that_was_worse_stays() -> None:
    worn = worsened(WEAR, glitch(noisier=(1.0, 2.0, 5.0)))
    assert worn.worse == (1.0, 3.0, 5.0)
    assert worn.read == pytest.approx(0.01)
    assert worsened(WEAR, glitch()) == WEAR


def test_a_band_that_swells_and_patches_that_are_forgotten_only_lose_certainty() -> None:
    forgotten = np.zeros((3, *SIZE), bool)
    forgotten[2, 14:18, 14:18] = True
    classes = squares()
    found = mistaken(np.random.default_rng(0), classes, glitch(swell=(0, 2, 0), forgotten=forgotten))
    assert (found[0] == classes[0]).all()
    assert [int((f == 1).sum()) for f in found] == [16 * 16 - 64, 20 * 20 - 16 - 8, 16 * 16 - 64 + 16]
    kept = found != 1
    assert (found[kept] == classes[kept]).all()


def test_a_loose_band_is_wider_where_it_is_told_on_either_side() -> None:
    classes = squares()[0]
    loose = np.zeros((2, *SIZE), np.float32)
    loose[0, :, 16:], loose[1, :16] = 3.0, 1.0
    found = loosened(classes, loose)
    assert (found[16, :8] == 0).all()
    assert found[16, 24:].tolist() == [1, 1, 1] + [0] * 13
    assert found[12, 12:20].tolist() == [1] * 8
    assert found[13, 12:20].tolist() == [1, *[2] * 6, 1]
    assert found[19, 12:20].tolist() == [2] * 8
    assert (loosened(np.zeros(SIZE, np.uint8), loose) == 0).all()


def test_a_narrow_band_and_a_prior_that_is_nearly_right_count_too() -> None:
    unknown = torch.zeros(4, 2, 1, 8, 8)
    unknown[:2], unknown[2, :, :, :4] = 1.0, 1.0
    wrong = torch.tensor([0.27, 0.07, 0.27, 0.5]).view(4, 1, 1, 1, 1).expand_as(unknown)
    sums = evened(unknown, wrong).sum((1, 2, 3, 4))
    assert (sums / sums[0]).tolist() == pytest.approx([1.0, 3.0, 1.0, 0.0])
    assert sums.sum().item() == pytest.approx(float(unknown.sum()))
    unknown[2], unknown[2, 0, 0, 0, 0] = 0.0, 1.0
    assert evened(unknown, wrong)[2].max().item() == 8.0


def test_plain_clips_are_quiet_opaque_and_have_no_glitch() -> None:
    drawn = [drawn_glitch(np.random.default_rng(k), frames=4, size=SIZE) for k in range(400)]
    plain = [g for g in drawn if g.kind == "plain"]
    assert len(plain) / len(drawn) == pytest.approx(KINDS["plain"], abs=0.07)
    assert all(max(g.noisier) == 1 and not g.hidden.any() and not g.forgotten.any() and max(g.slipped) == 0 for g in plain)
    assert worsened(WEAR, plain[0]).shot == pytest.approx(0.0025)


def test_hazy_clips_have_no_certain_foreground() -> None:
    found = mistaken(np.random.default_rng(0), squares(), glitch(kind="hazy"))
    assert [int((found == k).sum()) for k in range(3)] == [3 * (32 * 40 - 256), 3 * 256, 0]
    assert {drawn_glitch(np.random.default_rng(k), frames=4, size=SIZE).kind for k in range(100)} == set(KINDS)


def test_open_clips_are_of_openwork_and_twigs_and_plain_ones_of_what_is_opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, set[str]] = {}
    for kind, families in (("open", OPEN), ("plain", OPAQUE), ("hazy", SEE_THROUGH)):
        names = drawn.setdefault(kind, set())
        monkeypatch.setattr(drafts, "layer", lambda rng, family, names=names, **given: names.add(family) or layer(rng, family, **given))
        for seed in range(12):
            drafts.drafted([1, seed, 0], times=np.arange(1.0), size=(48, 48), footage=None, families=None, clean=True, kind=kind)
        assert names == set(families) & set(available(None))


def test_an_edge_slips_on_the_frame_it_is_drawn_for() -> None:
    classes = squares()
    found = mistaken(np.random.default_rng(3), classes, glitch(slipped=(0.0, 2.0, 0.0)))
    assert (found[[0, 2]] == classes[[0, 2]]).all()
    assert 0.002 < (found[1] != classes[1]).mean() < 0.3


def test_each_kind_of_glitch_is_drawn_and_most_frames_have_none() -> None:
    drawn = [drawn_glitch(np.random.default_rng(k), frames=4, size=SIZE) for k in range(200)]
    hidden = np.array([(g.hidden > 0.5).any((1, 2)) for g in drawn])
    assert (hidden.sum(1) <= 1).all()
    assert 0.03 < hidden.any(1).mean() < 0.13
    assert hidden[:, 1:3].sum() > 2 * hidden[:, [0, 3]].sum()
    assert 0.05 < np.mean([max(g.noisier) > 1 for g in drawn]) < 0.3
    assert 0.2 < np.mean([max(g.swell) > 0 for g in drawn]) < 0.5
    assert 0.03 < np.mean([g.forgotten.any() for g in drawn]) < 0.25
    assert 0.02 < np.mean([max(g.slipped) > 0 for g in drawn]) < 0.2


def test_some_clips_stand_still_while_their_trimaps_do_not() -> None:
    whens = np.stack([moments(np.random.default_rng(k), times=range(4)) for k in range(400)])
    still = (whens == 0).all(1)
    assert still.mean() == pytest.approx(STILL, abs=0.06)
    assert (whens[~still] == np.arange(4.0)).all()
    made = make_clips(batch=12, times=range(3), size=64, seed=5, footage=None, families=["blobs"], clean=True, glitches=True)
    alike = [b for b in range(12) if torch.equal(made.alpha[b, 0], made.alpha[b, 2])]
    assert any((made.classes[b, 0] != made.classes[b, 1]).any() for b in alike)


def test_clips_with_glitches_follow_from_their_seed_and_keep_the_truth() -> None:
    plain, one, same = (
        make_clips(batch=3, times=torch.arange(3.0), size=48, seed=8, footage=None, families=["edges"], glitches=g)
        for g in (False, True, True)
    )
    assert torch.equal(one.plate, same.plate)
    assert torch.equal(one.classes, same.classes)
    assert (one.plate - plain.plate).abs().max() > 0.01


def test_frames_are_played_as_filmed_from_a_shots_first_frame_or_as_one_photograph() -> None:
    orders = [played(random.Random(k), 4) for k in range(500)]
    repeated = [o for o in orders if len(set(o)) == 1]
    assert {o[0] for o in repeated} == {0, 1, 2, 3}
    assert 0.08 < len(repeated) / 500 < 0.16
    assert 0.04 < sum(o == [1, 1, 2, 3] for o in orders) / 500 < 0.12
    assert sum(o == [0, 1, 2, 3] for o in orders) > 350


def test_a_misled_prior_is_wrong_on_one_frame_where_it_is_unknown_and_nowhere_else() -> None:
    inputs = torch.rand(12, 4, CHANNELS, 32, 32, generator=torch.Generator().manual_seed(0))
    inputs[:, :, UNKNOWN_CHANNEL] = (torch.arange(32) < 20).float()
    found = misled(inputs, random.Random(1))
    changed = (found != inputs).any(-1).any(-1)
    assert set(changed.any(1).any(0).nonzero().flatten().tolist()) == {PRIOR_ALPHA, CONFIDENCE}
    per_clip = changed[:, :, PRIOR_ALPHA].sum(1)
    assert per_clip.max() == 1
    assert 1 <= per_clip.sum() < 12
    assert torch.equal(found[..., 20:], inputs[..., 20:])


def test_change_loss_is_the_mean_square_of_what_changes_wrongly() -> None:
    truth = torch.zeros(1, 2, 1, 1, 2)
    predicted = torch.tensor([0.0, 0.0, 0.5, 0.0]).view(1, 2, 1, 1, 2)
    first = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 2, 1, 1, 2)
    assert losses.change_loss(predicted, truth, torch.ones_like(truth)).item() == pytest.approx(0.125)
    assert losses.change_loss(predicted, truth, first).item() == pytest.approx(0.25)
    assert losses.change_loss(predicted + 0.3, truth, first).item() == pytest.approx(0.25)


def test_what_is_lost_depends_on_the_neighbours_and_teaches_alignment_and_fusion() -> None:
    torch.manual_seed(0)
    network = MattingNetwork().train()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    torch.nn.init.normal_(network.align8.place.weight, std=0.02)
    lesson = prepared(4, Setting(batch=2, size=64, footage=None, device=torch.device("cpu"), precision=torch.float32))
    inputs = lesson.inputs.float()
    alpha = network(inputs, motion_of(inputs))
    losses.alpha_loss(alpha, lesson.alpha[:, 1:-1], (lesson.classes[:, 1:-1] == 1).float()).backward()
    for part in (network.align8.place, network.align16.gather, network.fuse4.fuse[0], network.fuse8.excite, network.fuse16.where):
        assert part.weight.grad is not None
        assert float(part.weight.grad.abs().max()) > 0
    other = inputs.clone()
    other[:, [0, 3]] = inputs.roll(1, 0)[:, [0, 3]]
    with torch.no_grad():
        assert (network(other, motion_of(other)) - alpha).abs().max() > 1e-4


def test_in_an_exchanged_clip_the_first_look_said_the_opposite() -> None:
    inputs = torch.zeros(2, 4, CHANNELS, 8, 8)
    inputs[:, :, FIRST_LOOK] = 0.4
    empty = torch.zeros(2, 4, 1, 8, 8)
    found = Lesson(inputs, empty, empty, torch.ones(2, 4, 1, 8, 8, dtype=torch.uint8)).exchanged([1]).inputs[:, :, FIRST_LOOK]
    assert torch.equal(found[0], inputs[0, :, FIRST_LOOK])
    assert torch.equal(found[1], -inputs[1, :, FIRST_LOOK])


def test_an_exchanged_clip_is_what_the_network_would_be_shown_of_the_opposite_trimap() -> None:
    setting = Setting(batch=2, size=64, footage=None, device=torch.device("cpu"), precision=torch.float32)
    clips = make_clips(batch=2, times=range(4), size=64, seed=5, footage=None, glitches=True)
    lesson = prepared(5, setting)
    found = lesson.exchanged([1])
    assert torch.equal(found.inputs[0], lesson.inputs[0])
    assert torch.equal(found.alpha, torch.stack([lesson.alpha[0], 1 - lesson.alpha[1]]))
    assert torch.equal(found.classes, torch.stack([lesson.classes[0], 2 - lesson.classes[1]]))
    opposite = matting_inputs(clips.view[1], clips.plate[1], 2 - clips.classes[1], linear=clips.linear[1:].expand(4), step=2)
    given = [k for k in range(CHANNELS) if k < PRIOR_ALPHA]
    assert found.inputs[1][:, given].float().allclose(opposite[:, given], atol=1e-3)
    apart = (found.inputs[1].float() - opposite).abs().mean((0, 2, 3))
    assert float(apart.max()) < 0.02, "the search itself is not even-handed to the last pixel, but nearly"
    assert float((lesson.inputs[1].float() - opposite).abs().mean((0, 2, 3))[PRIOR_ALPHA]) > 0.1
    twice = found.exchanged([1])
    assert twice.inputs.float().allclose(lesson.inputs.float(), atol=1e-3)
