"""Both stages in one run: each learns from its own loss, and stage 2 from the trimaps that stage 1 carried when the run began."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork

from . import judges
from .footage import Footage
from .stages import MattingLessons, Setting, propagation_step

CARRIER = "carrier.safetensors"


class Stages(nn.Module):
    """The two networks, side by side."""

    def __init__(self, *, propagation: PropagationNetwork | None = None, matting: MattingNetwork | None = None) -> None:
        super().__init__()
        self.propagation = propagation or PropagationNetwork()
        self.matting = matting or MattingNetwork()


class JointLessons:
    """A step of both stages. The trimaps carried over are those of a stage 1 that stays as it is, so that a resumed run goes on exactly."""

    def __init__(self, carrier: PropagationNetwork | None) -> None:
        self._matting = MattingLessons(carrier=carrier)

    def step(self, network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
        """Return the sum of both losses, and the terms of each under its stage's name."""
        assert isinstance(network, Stages)
        carrying, first = propagation_step(network.propagation, step=step, seed=seed, setting=setting)
        matting, second = self._matting.step(network.matting, step=step, seed=seed, setting=setting)
        terms = {f"{stage}.{k}": v for stage, found in (("propagation", first), ("matting", second)) for k, v in found.items()}
        return carrying + matting, terms


def carrier_of(folder: Path, network: PropagationNetwork | None, *, resume: bool, device: torch.device) -> PropagationNetwork | None:
    """Return the stage 1 whose trimaps a run's stage 2 sees, if any: as it is now, kept in the run's folder for when it is resumed."""
    kept = folder / CARRIER
    if resume:
        network = PropagationNetwork() if kept.exists() else None
    if network is None:
        return None
    carrier = copy.deepcopy(network)
    if resume:
        carrier.load_state_dict(load_file(kept))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in carrier.state_dict().items()}, kept)
    return carrier.to(device).eval()


def judge_joint(network: nn.Module, *, footage: Footage | None, data: Path | None) -> dict[str, float]:
    """Return the judges' numbers of both stages."""
    assert isinstance(network, Stages)
    carried = judges.judge_propagation(network.propagation, footage=footage)
    return carried | judges.judge_matting(network.matting, footage=footage, data=data)
