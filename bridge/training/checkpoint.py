"""A checkpoint: a folder of safetensors files and one JSON, replaced as a whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

LATEST = "latest"
MANIFEST = "manifest.json"  # beside shipped weights
MEAN, COUNT = ".running_mean", ".num_batches_tracked"  # of batch normalisation; shipped weights leave out the count


class Average:
    """Exponential moving average of a network's parameters and buffers (Polyak averaging), warmed up by the step count."""

    def __init__(self, network: nn.Module, *, decay: float = 0.998) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone().float() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        for key, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value.float(), 1.0 - decay)
            else:
                self.state[key] = value.detach().clone().float()


def save(folder: Path, *, network: nn.Module, average: Average, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write a checkpoint beside the last one, then point `latest` at it and remove older ones; a crash leaves one that opens.

    The one that `latest` points at already is left as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"step-{state['step']:08d}"
    if (folder / LATEST).exists() and _latest(folder).name == name:
        return
    draft = folder / f".{name}.tmp"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, draft / "network.safetensors")
    save_file({k: v.contiguous() for k, v in average.state.items()}, draft / "average.safetensors")
    for moment in ("exp_avg", "exp_avg_sq"):
        save_file(_moments(network, optimizer, moment), draft / f"{moment}.safetensors")
    (draft / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
    shutil.rmtree(folder / name, ignore_errors=True)
    draft.rename(folder / name)
    pointer = folder / f".{LATEST}.tmp"
    pointer.write_text(name, encoding="utf-8")
    os.replace(pointer, folder / LATEST)
    for old in folder.glob("step-*"):
        if old.name != name:
            shutil.rmtree(old)


def load(folder: Path, *, network: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Read the latest checkpoint of a folder back into place and return its state."""
    last, state = _latest(folder), state_of(folder)
    network.load_state_dict(load_file(last / "network.safetensors"))
    average.state = {k: v.to(average.state[k].device) for k, v in load_file(last / "average.safetensors").items()}
    moments = {m: load_file(last / f"{m}.safetensors") for m in ("exp_avg", "exp_avg_sq")}
    for name, parameter in network.named_parameters():
        if name in moments["exp_avg"]:
            step = torch.tensor(float(state["step"]))
            optimizer.state[parameter] = {"step": step, **{m: moments[m][name].to(parameter.device) for m in moments}}
    return state


def averaged(place: Path) -> dict[str, Tensor]:
    """Return the averaged weights of the latest checkpoint of a folder, or those of a file of shipped weights."""
    if not place.is_file():
        return load_file(_latest(place) / "average.safetensors")
    state = {k: v.float() for k, v in load_file(place).items()}
    counts = (k.removesuffix(MEAN) + COUNT for k in state if k.endswith(MEAN))
    return state | {count: torch.tensor(0.0) for count in counts}


def state_of(place: Path) -> dict[str, Any]:
    """Return step, elapsed_s and seed of the latest checkpoint of a folder, or of shipped weights, as their manifest has them."""
    if place.is_file():
        entry = json.loads((place.parent / MANIFEST).read_text(encoding="utf-8"))[place.stem]
        return {"step": entry["steps"], "elapsed_s": 60.0 * entry["minutes"], "seed": entry["seed"]}
    state: dict[str, Any] = json.loads((_latest(place) / "state.json").read_text(encoding="utf-8"))
    return state


def _latest(folder: Path) -> Path:
    return folder / (folder / LATEST).read_text(encoding="utf-8").strip()


def _moments(network: nn.Module, optimizer: torch.optim.Optimizer, moment: str) -> dict[str, Tensor]:
    state = optimizer.state
    return {n: state[p][moment].contiguous() for n, p in network.named_parameters() if moment in state.get(p, {})}
