"""Stage 2 on a shot: tiles, neighbours and second looks are those of the network in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from shots import make_shot, trimap
from torch.nn import functional as F

from bridge.imaging.flow import motion_to_neighbours
from bridge.imaging.trimap import classify
from bridge.models.inputs import PRIOR_ALPHA, looked_twice, matting_inputs
from bridge.models.matting import HALO, SHARED, MattingNetwork, exact_where_certain, neighbouring
from bridge.models.prior import GUESSES
from bridge.sequence import Sequence
from bridge.shot.plates import Plates
from bridge.shot.profile import PROFILES
from bridge.solve.engine import Engine
from bridge.solve.matte import Beside, Matter, cropped, grid
from bridge.solve.scratch import Scratch
from bridge.solve.trimaps import ScratchTrimaps
from bridge.solve.weights import load_networks
from bridge.training.stages import motion_of

CPU = Engine("cpu", "float32", 2)


def test_tiles_equal_the_whole_frame(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", frames=1, width=300, height=200)
    plates = Plates(Sequence.parse(shot.plate))
    network = load_networks(torch.device("cpu")).matting
    torch.manual_seed(0)
    with Scratch() as scratch:
        trimaps = ScratchTrimaps(scratch)
        trimaps.land(1001, np.ones((200, 300), np.uint8))
        small = replace(PROFILES["final"], tile=64)
        matter = Matter(network, steadying=None, engine=CPU, profile=small, plates=plates, trimaps=trimaps)
        prepared = matter.prepare(1001)
        with torch.inference_mode():
            context = network.fuse(*[prepared.encoded.features] * 3, None)
            shown = torch.rand(2, 1, len(SHARED), *prepared.inputs.shape[-2:])
            motion = 5.0 * F.interpolate(torch.randn(1, 4, 7, 10), size=prepared.inputs.shape[-2:], mode="bilinear")
            tiled = matter.refined(prepared.inputs, Beside(*shown, motion), context, prepared.solved)
            height, width = prepared.inputs.shape[-2:]
            side = -(-max(height, width) // 64) * 64
            all_of_it = (slice(0, height), slice(0, width))
            parts = [(prepared.inputs, 1), (neighbouring(*shown, motion), 1), (context, 4)]
            whole = network.refine(*(cropped(part, all_of_it, side=side, halo=HALO, stride=stride) for part, stride in parts))
    whole = whole[..., HALO : HALO + height, HALO : HALO + width]
    assert len(grid(height, width, side=64)) == 20
    assert (tiled - whole).abs().max() < 2e-3


def test_a_frame_is_solved_between_its_neighbours_as_in_training(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", frames=3, width=256, height=192)
    plates, network = Plates(Sequence.parse(shot.plate)), load_networks(torch.device("cpu")).matting
    with Scratch() as scratch:
        trimaps = ScratchTrimaps(scratch)
        for frame in plates.frames:
            trimaps.land(frame, classify(trimap(shot.truth[frame])))
        matter = Matter(network, steadying=None, engine=CPU, profile=PROFILES["final"], plates=plates, trimaps=trimaps)
        ((_, solved),) = matter.mattes([1002], present=plates.frames)
        prepared = [matter.prepare(frame) for frame in plates.frames]
    inputs = torch.cat([p.inputs for p in prepared])[None]
    motion = motion_of(inputs)
    with torch.inference_mode():
        moved, unmoved = (exact_where_certain(network(inputs, m)[0, 0], prepared[1].solved)[0, 0].numpy() for m in (motion, None))
    assert motion.abs().mean() > 0.1
    assert np.abs(solved - moved).mean() < 1e-3
    assert np.abs(solved - moved).mean() < 0.3 * np.abs(solved - unmoved).mean()


def test_motion_of_big_frames_is_searched_to_a_quarter_of_their_resolution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shot = make_shot(tmp_path / "shot", frames=1)
    profile, sought = replace(PROFILES["final"], search_coarser_above=64 * 96), []
    matter = Matter(
        MattingNetwork(), steadying=None, engine=CPU, profile=profile, plates=Plates(Sequence.parse(shot.plate)), trimaps=lambda _: _
    )

    def search(*guides: NDArray[np.uint8], finest: int, refinements: int) -> NDArray[np.float32]:
        sought.append(finest)
        return motion_to_neighbours(*guides, finest=finest, refinements=refinements)

    monkeypatch.setattr("bridge.solve.matte.motion_to_neighbours", search)
    for height in (64, 96):
        guide = torch.randint(0, 256, (1, height, 96), dtype=torch.uint8)
        assert matter._motion(guide, guide, guide).shape == (1, 4, height, 96)
    assert sought == [1, 2]


def test_a_frame_without_certain_foreground_is_looked_at_twice_as_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shot = make_shot(tmp_path / "shot", frames=1, width=256, height=192)
    plates, network = Plates(Sequence.parse(shot.plate)), load_networks(torch.device("cpu")).matting
    plate = plates.read(1001)
    view, mixing = (torch.from_numpy(seen(plate.rgb)).permute(2, 0, 1)[None] for seen in (plates.transform.view, plates.transform.mixing))
    painted = classify(trimap(shot.truth[1001]))
    looks = []
    monkeypatch.setattr(Matter, "_look", lambda self, *given, real=Matter._look: looks.append(given) or real(self, *given))
    for classes, count in ((painted, 0), (np.minimum(painted, 1), GUESSES)):
        with Scratch() as scratch:
            trimaps = ScratchTrimaps(scratch)
            trimaps.land(1001, classes)
            profile = replace(PROFILES["final"], tile=64)
            prepared = Matter(network, steadying=None, engine=CPU, profile=profile, plates=plates, trimaps=trimaps).prepare(1001)
        assert len(looks) == count
    marks = torch.from_numpy(np.minimum(painted, 1))[None, None]
    with torch.inference_mode():
        whole = looked_twice(view, mixing, marks, linear=plates.linear, look=network.alone)
        once = matting_inputs(view, mixing, marks, linear=plates.linear)
    assert (prepared.inputs - whole).abs().mean() < 1e-3
    assert (once - whole)[:, PRIOR_ALPHA].abs().max() > 0.1
