"""The training loop: stops on time, saves atomically, resumes exactly, looks at the judges as it goes."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoint
from .stages import Setting

log = logging.getLogger(__name__)
Step = Callable[..., tuple[Tensor, dict[str, float]]]
Judge = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn; minutes are those of the whole run, however often it is resumed."""

    minutes: float
    rate: float = 1.5e-3
    warm_up: int = 100
    decay_share: float = 0.45
    clip_norm: float = 1.0
    save_every_s: float = 120.0
    judge_every_s: float = 600.0
    seed: int = 1


def rate_at(plan: Plan, *, step: int, share: float) -> float:
    """Return the learning rate: linear warm-up by steps, constant, then a cosine to 2 % over the last share of the time."""
    warm = min(1.0, (step + 1) / plan.warm_up)
    late = max(0.0, (share - (1.0 - plan.decay_share)) / plan.decay_share)
    return plan.rate * warm * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, late))))


def optimizer_for(network: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW that decays the kernels only."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{"params": kernels, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.99))


def train(
    network: nn.Module, step_of: Step, *, plan: Plan, setting: Setting, folder: Path, resume: bool, judge: Judge, shadow: nn.Module
) -> None:
    """Train until the run has lasted its plan's minutes. `shadow` is a second network of the same kind, given the average to be judged.

    A resumed run goes on where its checkpoint stood, in its schedule too.
    """
    network.to(setting.device).train()
    optimizer, average = optimizer_for(network), checkpoint.Average(network)
    state = {"step": 0, "elapsed_s": 0.0, "seed": plan.seed}
    if resume:
        state = checkpoint.load(folder, network=network, average=average, optimizer=optimizer)
    begun = time.monotonic() - float(state["elapsed_s"])
    saved = judged = time.monotonic()
    sums: dict[str, float] = {}
    budget = plan.minutes * 60.0
    while (spent := time.monotonic() - begun) < budget:
        step = int(state["step"])
        for group in optimizer.param_groups:
            group["lr"] = rate_at(plan, step=step, share=spent / budget)
        buffers = [b.clone() for b in network.buffers()]
        loss, terms = step_of(network, step=step, seed=int(state["seed"]), setting=setting)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), plan.clip_norm))
        if math.isfinite(norm):
            optimizer.step()
            average.update(network, step)
        else:
            log.warning("step %d: gradient is not finite, step skipped", step)
            for buffer, kept in zip(network.buffers(), buffers, strict=True):
                buffer.copy_(kept)
        state["step"], state["elapsed_s"] = step + 1, time.monotonic() - begun
        for key, value in {"loss": float(loss.detach()), "norm": norm, **terms}.items():
            sums[key] = 0.98 * sums.get(key, value) + 0.02 * value
        now = time.monotonic()
        if step % 50 == 49:
            log.info("step %d  %.0f s  %s", step + 1, now - begun, "  ".join(f"{k} {v:.4f}" for k, v in sums.items()))
        if now - saved > plan.save_every_s:
            checkpoint.save(folder, network=network, average=average, optimizer=optimizer, state=state)
            saved = now
        if now - judged > plan.judge_every_s:
            report(folder, judge, shadow, average, state)
            judged = time.monotonic()
    checkpoint.save(folder, network=network, average=average, optimizer=optimizer, state=state)
    report(folder, judge, shadow, average, state)


def report(folder: Path, judge: Judge, shadow: nn.Module, average: checkpoint.Average, state: dict[str, float]) -> None:
    """Judge the averaged weights; append one JSON line to `judged.jsonl`."""
    shadow.load_state_dict({k: average.state[k].to(v.dtype) for k, v in shadow.state_dict().items()})
    with torch.inference_mode():
        verdict = judge(shadow.eval())
    log.info("judged at step %d: %s", state["step"], "  ".join(f"{k} {v:.4f}" for k, v in verdict.items()))
    with (folder / "judged.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"step": state["step"], "elapsed_s": round(state["elapsed_s"]), **verdict}) + "\n")
