"""The shipped weights: safetensors in the package, checked against the manifest before anything is computed with them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import nn

from bridge.models.layers import folded
from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork
from bridge.wire.errors import WeightsError

REINSTALL = "Install videomatte again; `videomatte doctor` shows what is wrong."
FOLDER = Path(__file__).resolve().parents[1] / "weights"
STAGES: dict[str, type[nn.Module]] = {"propagation": PropagationNetwork, "matting": MattingNetwork}


@dataclass(frozen=True)
class Networks:
    """Both stages, ready to solve, and the digest of the weights they run."""

    propagation: PropagationNetwork
    matting: MattingNetwork
    digest: str


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """Return file name, sha256 and facts of each stage's weights. Raises WeightsError."""
    try:
        stages: dict[str, dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The list of weights cannot be read: {error}", remedy=REINSTALL) from error
    if not all({"file", "sha256"} <= set(stages.get(stage) or ()) for stage in STAGES):
        raise WeightsError(f"The list of weights lacks one of {', '.join(STAGES)}.", remedy=REINSTALL, file="manifest.json")
    return stages


def load_networks(device: torch.device) -> Networks:
    """Load both stages for inference. Raises WeightsError when a file is absent, damaged or not the one that was shipped."""
    networks = {stage: _ready(stage, kind(), device) for stage, kind in STAGES.items()}
    return Networks(networks["propagation"], networks["matting"], weights_digest())  # type: ignore[arg-type]


def weights_digest() -> str:
    """Return what names both stages' weights in content keys. Raises WeightsError."""
    return hashlib.sha256("".join(manifest()[s]["sha256"] for s in sorted(STAGES)).encode()).hexdigest()[:32]


def checked(stage: str) -> bytes:
    """Return the bytes of a stage's weights. Raises WeightsError."""
    entry = manifest()[stage]
    try:
        data: bytes = (FOLDER / entry["file"]).read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights of {stage} cannot be read: {error}", remedy=REINSTALL, file=entry["file"]) from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise WeightsError(
            f"The weights of {stage} in {entry['file']} are not the ones that were shipped: their sha256 differs.",
            remedy=REINSTALL,
            file=entry["file"],
        )
    return data


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
