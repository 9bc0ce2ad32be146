"""The shipped weights as networks, ready to solve."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors.torch import load
from torch import nn

from bridge.models.layers import folded
from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork
from bridge.models.steadying import SteadyingNetwork
from bridge.shipped import REINSTALL, checked, weights_digest
from bridge.wire.errors import WeightsError

KINDS: dict[str, type[nn.Module]] = {"propagation": PropagationNetwork, "matting": MattingNetwork, "steadying": SteadyingNetwork}


@dataclass(frozen=True)
class Networks:
    """Both stages, and what steadies mattes, ready to solve; and the digest of the weights they run."""

    propagation: PropagationNetwork
    matting: MattingNetwork
    steadying: SteadyingNetwork
    digest: str


def load_networks(device: torch.device) -> Networks:
    """Load all networks for inference. Raises WeightsError when a file is absent, damaged or not the one that was shipped."""
    networks = {stage: _ready(stage, kind(), device) for stage, kind in KINDS.items()}
    return Networks(networks["propagation"], networks["matting"], networks["steadying"], weights_digest())  # type: ignore[arg-type]


def _ready(stage: str, network: nn.Module, device: torch.device) -> nn.Module:
    state = {k: v.float() for k, v in load(checked(stage)).items()}
    try:
        missing = network.load_state_dict(state, strict=False)
        unknown = [*missing.unexpected_keys, *(k for k in missing.missing_keys if not k.endswith("num_batches_tracked"))]
        if unknown:
            raise RuntimeError(f"{unknown[0]} and {len(unknown) - 1} more")
    except RuntimeError as error:
        raise WeightsError(f"The weights of {stage} do not fit this version: {str(error).splitlines()[0]}", remedy=REINSTALL) from error
    ready = folded(network).to(device)
    for parameter in ready.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return ready
