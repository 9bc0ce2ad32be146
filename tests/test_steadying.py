"""The end of stage 2: mattes are steadied by those of their neighbours, in training, evaluation and a solve alike."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from shots import Shot, make_shot, number, trimap, write_window
from torch import Tensor
from torch.nn import functional as F

from bridge import exr
from bridge.evaluation.methods import solved, steadied
from bridge.imaging.trimap import classify
from bridge.models.inputs import CHANNELS, CONFIDENCE, PRIOR_ALPHA, UNKNOWN_CHANNEL
from bridge.models.matting import MattingNetwork
from bridge.models.steadying import AROUND, MOVED, OWN, SEEN, SteadyingNetwork, matted, own_inputs, steadying_inputs
from bridge.sequence import Sequence
from bridge.shot.plates import Plates
from bridge.shot.profile import PROFILES
from bridge.solve.engine import Engine
from bridge.solve.matte import Matted, Matter, Solved, around, repeated
from bridge.solve.scratch import Scratch
from bridge.solve.trimaps import Classes, ScratchTrimaps
from bridge.solve.weights import load_networks
from bridge.training import checkpoint
from bridge.training.joint import looker_of
from bridge.training.judges import judge_steadying
from bridge.training.loop import optimizer_for
from bridge.training.stages import Setting
from bridge.training.steadying import SteadyingLessons, backwards_order, seen_of, shown_of

CPU = Engine("cpu", "float32", 2)
SETTING = Setting(batch=1, size=64, footage=None, device=torch.device("cpu"), precision=torch.float32)


@pytest.fixture
def network() -> SteadyingNetwork:
    """One with drawn weights, whose head says something."""
    torch.manual_seed(3)
    network = SteadyingNetwork().eval()
    torch.nn.init.normal_(network.head.weight, std=0.3)
    return network


def clip(frames: int = 3, *, size: int = 64) -> tuple[Tensor, Tensor]:
    """Return inputs 1×T×CHANNELS×H×W and mattes 1×T×1×H×W of something smooth that moves."""
    generator = torch.Generator().manual_seed(5)
    wide = F.interpolate(torch.rand(1, CHANNELS + 1, 20, 20, generator=generator), scale_factor=8.0, mode="bicubic").clamp(0, 1)
    cut = torch.stack([wide[..., 10 : 10 + size, 10 + 3 * t : 10 + 3 * t + size] for t in range(frames)], 1)
    return cut[:, :, :CHANNELS], cut[:, :, CHANNELS:]


def test_a_new_network_takes_the_even_mean_of_the_five_mattes() -> None:
    seen = torch.rand(2, SEEN, 32, 32)
    with torch.no_grad():
        alpha = SteadyingNetwork().eval()(seen)
    assert (alpha - seen[:, : 1 + MOVED].mean(1, keepdim=True)).abs().max() < 1e-5


def test_leaning_moves_alpha_and_not_what_the_mattes_count(network: SteadyingNetwork) -> None:
    """Exported weights lean by the same number added to all that the head says."""
    seen, leaning = torch.rand(1, SEEN, 32, 32), copy.deepcopy(network)
    with torch.no_grad():
        leaning.head.bias += 0.3
        wanted, network.head.bias[-1] = leaning(seen), network.head.bias[-1] + 0.3
        assert (network(seen) - wanted).abs().max() < 1e-5


def test_neighbours_are_shown_where_their_own_motions_lead() -> None:
    alpha, own = torch.rand(1, 1, 32, 32), own_inputs(torch.rand(1, CHANNELS, 32, 32))
    before, after = torch.rand(2, 1, 4, 32, 32)
    motions = torch.zeros(1, 8, 32, 32)
    motions[:, 0], motions[:, 3], motions[:, 5], motions[:, 6] = 3.0, -2.0, 1.0, -4.0
    seen = steadying_inputs(alpha, own, before, after, motions)
    assert seen.shape == (1, SEEN, 32, 32)
    lead = [(before, 3, 0), (after, 0, -2), (before, 0, 1), (after, -4, 0)]
    for i, (neighbour, dy, dx) in enumerate(lead):
        rows, columns = (torch.arange(32).add(d).clamp(0, 31) for d in (dy, dx))
        there = neighbour[..., rows, :][..., columns]
        assert (seen[:, 1 + i] - there[:, 0]).abs().max() < 1e-4, "from outside comes the nearest pixel"
        assert (seen[:, 1 + MOVED + i] - 4.0 * (there[:, 1:] - own[:, :3]).abs().mean(1)).abs().max() < 1e-3
        assert (seen[:, 1 + 2 * MOVED + i] - (there[:, 0] - alpha[:, 0]).abs()).abs().max() < 1e-4
    assert torch.equal(seen[:, 0], alpha[:, 0])
    assert torch.equal(seen[:, -len(OWN) :], own)


def test_what_is_looked_at_again_is_view_prior_and_trimap() -> None:
    inputs = torch.rand(1, CHANNELS, 8, 8)
    own = own_inputs(inputs)
    assert torch.equal(own, inputs[:, [0, 1, 2, PRIOR_ALPHA, CONFIDENCE, UNKNOWN_CHANNEL]])
    alpha = torch.rand(1, 1, 8, 8)
    assert torch.equal(matted(alpha, own), torch.cat([alpha, inputs[:, :3]], 1))


def test_a_tile_of_what_is_shown_is_cut_out_of_the_whole() -> None:
    alpha, own, motions = torch.rand(1, 1, 40, 48), torch.rand(1, len(OWN), 40, 48), 4.0 * torch.randn(1, 8, 40, 48)
    before, after = torch.rand(2, 1, 4, 40, 48)
    whole = steadying_inputs(alpha, own, before, after, motions)
    tile = (slice(8, 40), slice(16, 40))
    cut = (m[..., tile[0], tile[1]] for m in (alpha, own, motions))
    mine, others, ways = cut
    assert (steadying_inputs(mine, others, before, after, ways, origin=(8, 16)) - whole[..., tile[0], tile[1]]).abs().max() < 1e-4


def test_a_pixel_sees_no_farther_than_what_lies_around_a_tile(network: SteadyingNetwork) -> None:
    seen = torch.rand(1, SEEN, 160, 160)
    other, edge = seen.clone(), 80 - AROUND
    other[..., :edge] = torch.rand_like(other[..., :edge])
    with torch.no_grad():
        before, after = network(seen), network(other)
    assert torch.equal(before[..., 80:], after[..., 80:])
    assert (before[..., : edge - 1] - after[..., : edge - 1]).abs().max() > 1e-3


def test_a_clip_played_backwards_shows_before_and_after_exchanged() -> None:
    inputs, alpha = clip(5)
    forward, backward = seen_of(inputs, alpha), seen_of(inputs.flip(1), alpha.flip(1))
    assert forward.shape == (1, 3, SEEN, 64, 64)
    assert torch.equal(backward.flip(1)[:, :, backwards_order()], forward)
    assert not torch.equal(backward.flip(1), forward)


def test_what_moved_is_found_again_in_both_neighbours() -> None:
    inputs, alpha = clip()
    inner = (slice(12, -12), slice(12, -12))
    seen = seen_of(inputs, alpha)[0, 0]
    unmoved = (alpha[0, ::2, 0] - alpha[0, 1, 0]).abs()[..., inner[0], inner[1]].mean()
    assert seen[1 + 2 * MOVED : 1 + 3 * MOVED][..., inner[0], inner[1]].mean() < 0.3 * unmoved


def painted(tmp_path: Path, scratch: Scratch, *, frames: int) -> tuple[Shot, Plates, ScratchTrimaps]:
    """Return a shot with every frame's trimap."""
    shot = make_shot(tmp_path / "shot", frames=frames, width=300, height=200)
    trimaps = ScratchTrimaps(scratch)
    for frame in shot.frames:
        trimaps.land(frame, classify(trimap(shot.truth[frame])))
    return shot, Plates(Sequence.parse(shot.plate)), trimaps


def matters(plates: Plates, trimaps: ScratchTrimaps, *, tile: int = 64) -> tuple[Matter, Matter]:
    """Return two, of which the second does not steady what it solves."""
    networks, profile = load_networks(torch.device("cpu")), replace(PROFILES["final"], tile=tile)
    given = {"engine": CPU, "profile": profile, "plates": plates, "trimaps": trimaps}
    return tuple(Matter(networks.matting, steadying=s, **given) for s in (networks.steadying, None))  # type: ignore[return-value, arg-type]


def test_a_solve_steadies_as_the_evaluation_does(tmp_path: Path) -> None:
    """Frame by frame, to the ends of the shot: what is measured is what an artist gets."""
    with Scratch() as scratch:
        shot, plates, trimaps = painted(tmp_path, scratch, frames=4)
        matter, plain = matters(plates, trimaps)
        found = [alpha for _, alpha in matter.mattes(shot.frames, present=plates.frames)]
        unsteadied = [alpha for _, alpha in plain.mattes(shot.frames, present=plates.frames)]
        prepared = [matter.prepare(frame) for frame in plates.frames]
        certain = [trimaps(frame) != 1 for frame in shot.frames]
    networks = load_networks(torch.device("cpu"))
    inputs, classes = torch.cat([p.inputs for p in prepared]), torch.cat([p.solved for p in prepared])
    with torch.inference_mode():
        alpha = solved(networks.matting, inputs, classes)
        wanted = steadied(networks.steadying, inputs, classes, alpha).numpy()
    for t in range(4):
        mine, before, measured = found[t], unsteadied[t], wanted[t, :200, :300]
        assert np.abs(mine - measured).mean() < 0.1 * np.abs(before - measured).mean()
        assert (mine == before)[certain[t]].all(), "what is certain stays exact"


def test_tiles_are_steadied_as_the_whole_frame_is(tmp_path: Path) -> None:
    with Scratch() as scratch:
        shot, plates, trimaps = painted(tmp_path, scratch, frames=3)
        matter, _ = matters(plates, trimaps)
        height, width = 224, 320
        torch.manual_seed(1)
        alpha, own = torch.rand(1, 1, height, width), torch.rand(1, len(OWN), height, width)
        before, after = torch.rand(2, 1, 4, height, width)
        motions = 4.0 * F.interpolate(torch.randn(1, 8, 7, 10), size=(height, width), mode="bilinear")
        unknown = torch.ones(1, 1, height, width, dtype=torch.uint8)
        kept = Matted(plates.display, matted(alpha, own))
        frame = Solved(plates.read(shot.frames[0]), trimaps(shot.frames[0]), unknown, kept, own, motions[:, :4])
        with torch.inference_mode():
            tiled = matter.steadied(frame, before, after, motions)
            _, missing = around((slice(0, height), slice(0, width)), (height, width), side=320, halo=AROUND)
            whole = load_networks(torch.device("cpu")).steadying(
                repeated(steadying_inputs(alpha, own, before, after, motions), (AROUND, missing[1], AROUND, missing[3]))
            )
    assert (tiled - whole[..., AROUND : AROUND + height, AROUND : AROUND + width]).abs().max() < 1e-3


class Asked:
    """Trimaps that remember which were asked for."""

    def __init__(self, trimaps: ScratchTrimaps) -> None:
        self._trimaps = trimaps
        self.frames: set[int] = set()

    def __call__(self, frame: int) -> Classes:
        self.frames.add(frame)
        return self._trimaps(frame)


def test_a_matte_reads_five_frames_and_one_that_is_not_steadied_three(tmp_path: Path) -> None:
    with Scratch() as scratch:
        _, plates, trimaps = painted(tmp_path, scratch, frames=9)
        for steady, read in ((True, {1003, 1004, 1005, 1006, 1007}), (False, {1004, 1005, 1006})):
            asked = Asked(trimaps)
            matter = matters(plates, asked)[0 if steady else 1]  # type: ignore[arg-type]
            list(matter.mattes([1005], present=plates.frames))
            assert asked.frames == read


def test_a_part_of_a_shot_is_steadied_as_in_the_whole(tmp_path: Path) -> None:
    with Scratch() as scratch:
        shot, plates, trimaps = painted(tmp_path, scratch, frames=7)
        matter, _ = matters(plates, trimaps)
        whole = dict_of(matter, shot.frames, frozenset(plates.frames))
        parts = dict_of(matter, [1002, 1006, 1007], frozenset(plates.frames))
    assert sorted(parts) == [1002, 1006, 1007]
    assert all(np.array_equal(parts[frame], whole[frame]) for frame in parts)


def test_where_the_neighbours_have_no_pixels_a_frame_stands_in_for_them(tmp_path: Path) -> None:
    """Plates of renders have data windows that jump."""
    with Scratch() as scratch:
        shot, _, trimaps = painted(tmp_path, scratch, frames=3)
        for frame in (1001, 1003):
            path = Path(shot.plate.replace("####", number(frame)))
            rgb = exr.read_plate(path).rgb[:, :140].astype(np.float32)
            path.unlink()
            write_window(path, rgb, at=(0, 0), display=(300, 200))
        plates, parts = Plates(Sequence.parse(shot.plate)), ScratchTrimaps(scratch, name=lambda frame: f"part.{frame}")
        for frame, width in zip(shot.frames, (140, 300, 140), strict=True):
            parts.land(frame, trimaps(frame)[:, :width])
        matter, plain = matters(plates, parts)
        ((_, found),), ((_, before),) = (list(m.mattes([1002], present=plates.frames)) for m in (matter, plain))
        unknown = trimaps(1002) == 1
    lacking = unknown & (np.arange(300) >= 170)
    assert lacking.sum() > 200
    assert np.abs(found - before)[lacking].mean() < 2.0 * np.abs(found - before)[unknown & ~lacking].mean() + 0.02


def test_steadying_stops_at_a_gap_and_goes_on_behind_it(tmp_path: Path) -> None:
    with Scratch() as scratch:
        _, plates, trimaps = painted(tmp_path, scratch, frames=8)
        matter, plain = matters(plates, trimaps)
        present = frozenset({1001, 1002, 1004, 1006, 1007, 1008})
        found = dict_of(matter, [1002, 1004, 1006], present)
        parts = {f: dict_of(matter, [f], frozenset(near))[f] for f, near in ((1002, (1001, 1002)), (1006, (1006, 1007, 1008)))}
        lone = dict_of(plain, [1004], frozenset({1004}))[1004]
    assert sorted(found) == [1002, 1004, 1006]
    assert all(np.array_equal(found[frame], parts[frame]) for frame in parts)
    assert np.array_equal(found[1004], lone)


def dict_of(matter: Matter, frames: list[int], present: frozenset[int]) -> dict[int, NDArray[np.float32]]:
    return {plate.frame: alpha for plate, alpha in matter.mattes(frames, present=present)}


def test_a_frame_without_neighbours_is_not_steadied(tmp_path: Path) -> None:
    with Scratch() as scratch:
        shot, plates, trimaps = painted(tmp_path, scratch, frames=1)
        ((_, first),), ((_, second),) = (list(m.mattes(shot.frames, present=plates.frames)) for m in matters(plates, trimaps))
    assert np.array_equal(first, second)


def test_a_batch_of_clips_shows_mattes_moved_and_the_truth_of_the_same_frames() -> None:
    torch.manual_seed(0)
    matter = MattingNetwork().eval()
    shown = shown_of(7, SETTING, matter=matter, carrier=None)
    assert shown.seen.shape == (1, 4, SEEN, 64, 64)
    assert shown.alpha.shape == shown.unknown.shape == (1, 4, 1, 64, 64)
    own, certain = shown.seen[:, :, :1].float(), ~shown.unknown
    assert (own - shown.alpha)[certain].abs().max() < 0.06, "trimaps say nothing wrong of these frames"
    assert torch.equal(shown.seen[:, :, -1:] > 0.5, shown.unknown)


def test_a_resumed_run_goes_on_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    matter = MattingNetwork().eval()
    looker_of(tmp_path, matter, resume=False, device=SETTING.device)

    def learned(network: SteadyingNetwork, steps: range, given: SteadyingLessons) -> Tensor:
        for step in steps:
            loss, terms = given.step(network, step=step, seed=2, setting=SETTING)
            assert terms["change_ratio"] > 0.0
            optimizers[network].zero_grad()
            loss.backward()
            optimizers[network].step()
            averages[network].update(network, step)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    first = SteadyingNetwork().train()
    optimizers, averages = {first: optimizer_for(first)}, {first: checkpoint.Average(first)}
    straight_lessons = SteadyingLessons(matter=matter)
    begun = learned(first, range(1), straight_lessons)
    checkpoint.save(tmp_path, network=first, average=averages[first], optimizer=optimizers[first], state={"step": 1})
    straight = learned(first, range(1, 3), straight_lessons)
    torch.manual_seed(9)
    other = SteadyingNetwork().train()
    optimizers[other], averages[other] = optimizer_for(other), checkpoint.Average(other)
    checkpoint.load(tmp_path, network=other, average=averages[other], optimizer=optimizers[other])
    kept = looker_of(tmp_path, None, resume=True, device=SETTING.device)
    assert kept is not None
    assert (straight - learned(other, range(1, 3), SteadyingLessons(matter=kept))).abs().max() < 1e-6
    assert (straight - begun).abs().max() > 1e-4


def test_mattes_are_judged_before_and_after() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        verdict = judge_steadying(SteadyingNetwork().eval(), matter=MattingNetwork().eval(), footage=None, count=3)
    assert verdict["steadied_change"] < verdict["clip_change"], "the even mean of what was moved changes less from frame to frame"
