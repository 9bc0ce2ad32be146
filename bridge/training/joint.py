"""Both stages in one run, each by its own loss; and the networks, as they were when the run began, that make what stage 2 learns from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork

from . import judges
from .footage import Footage
from .stages import MattingLessons, Setting, propagation_step

CARRIER, LOOKER = "carrier.safetensors", "looker.safetensors"
N = TypeVar("N", bound=nn.Module)


class Stages(nn.Module):
    """The two networks, side by side."""

    def __init__(self, *, propagation: PropagationNetwork | None = None, matting: MattingNetwork | None = None) -> None:
        super().__init__()
        self.propagation = propagation or PropagationNetwork()
        self.matting = matting or MattingNetwork()


class JointLessons:
    """A step of both stages. The trimaps carried over and the first looks are those of networks that stay as they are, so that a resumed
    run goes on exactly."""

    def __init__(self, *, carrier: PropagationNetwork | None, looker: MattingNetwork | None) -> None:
        self._matting = MattingLessons(carrier=carrier, looker=looker)

    def step(self, network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
        """Return the sum of both losses, and the terms of each under its stage's name."""
        assert isinstance(network, Stages)
        carrying, first = propagation_step(network.propagation, step=step, seed=seed, setting=setting)
        matting, second = self._matting.step(network.matting, step=step, seed=seed, setting=setting)
        terms = {f"{stage}.{k}": v for stage, found in (("propagation", first), ("matting", second)) for k, v in found.items()}
        return carrying + matting, terms


def carrier_of(folder: Path, network: PropagationNetwork | None, *, resume: bool, device: torch.device) -> PropagationNetwork | None:
    """Return the stage 1 whose trimaps a run's stage 2 sees, if any: see `kept`."""
    return kept(folder / CARRIER, network=network, make=PropagationNetwork, resume=resume, device=device)


def looker_of(folder: Path, network: MattingNetwork | None, *, resume: bool, device: torch.device) -> MattingNetwork | None:
    """Return the stage 2 that takes the first look at what a run's stage 2 looks at twice: see `kept`."""
    return kept(folder / LOOKER, network=network, make=fresh_matting, resume=resume, device=device)


def fresh_matting() -> MattingNetwork:
    """Return a new stage 2 in the memory layout in which it trains: the layout changes the last bits of a result."""
    return convert_conv2d_weight_memory_format(MattingNetwork(), torch.channels_last)


def kept(file: Path, *, network: N | None, make: Callable[[], N], resume: bool, device: torch.device) -> N | None:
    """Return a copy of a network as it is now, kept in a file of the run for when it is resumed; then the kept one, if there is one."""
    if resume:
        if not file.exists():
            return None
        copied = make()
        copied.load_state_dict(load_file(file))
    elif network is None:
        return None
    else:
        copied = copy.deepcopy(network)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in copied.state_dict().items()}, file)
    return copied.to(device).eval()


def judge_joint(network: nn.Module, *, footage: Footage | None, data: Path | None) -> dict[str, float]:
    """Return the judges' numbers of both stages."""
    assert isinstance(network, Stages)
    carried = judges.judge_propagation(network.propagation, footage=footage)
    return carried | judges.judge_matting(network.matting, footage=footage, data=data)
