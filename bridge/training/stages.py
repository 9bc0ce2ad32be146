"""One training step of each stage: clips in, loss out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.models.inputs import matting_inputs
from bridge.models.matting import MattingNetwork
from bridge.models.propagation import Memory, PropagationNetwork

from . import losses
from .clips import Clips, make_clips
from .footage import Footage

MEMORIES = 2  # non-key memories a solve gives the attention


@dataclass(frozen=True)
class Setting:
    """What a step needs besides the network."""

    batch: int
    size: int
    footage: Footage | None
    device: torch.device
    precision: torch.dtype


def matting_step(network: MattingNetwork, *, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of stage 2 on clips of four neighbouring frames: two alphas, each from three frames."""
    clips = make_clips(
        batch=setting.batch, times=[0, 1, 2, 3], size=setting.size, seed=seed, footage=setting.footage, device=setting.device
    )
    n, t = clips.plate.shape[:2]
    with torch.no_grad():
        flat = [x.flatten(0, 1) for x in (clips.view, clips.plate, clips.classes)]
        inputs = matting_inputs(*flat, linear=clips.linear.repeat_interleave(t)).unflatten(0, (n, t))
    with torch.autocast(setting.device.type, dtype=setting.precision, enabled=setting.precision != torch.float32):
        alpha = network(inputs)
    return _matting_loss(alpha, inputs, clips)


def _matting_loss(alpha: Tensor, inputs: Tensor, clips: Clips) -> tuple[Tensor, dict[str, float]]:
    unknown = (clips.classes[:, 1:-1] == 1).float()
    certain = (clips.classes[:, 1:-1] == 2).float()
    truth = clips.alpha[:, 1:-1]
    exact = torch.where(unknown > 0, alpha, certain)
    flat = [x.flatten(0, 1) for x in (exact, truth, unknown)]
    colours = [x[:, 1:-1].flatten(0, 1) for x in (clips.foreground, clips.background)]
    terms = {
        "alpha": losses.alpha_loss(*flat),
        "composition": 0.5 * losses.composition_loss(flat[0], *colours, *flat[1:]),
        "laplacian": 0.5 * losses.laplacian_loss(*flat),
        "gradient": 0.5 * losses.gradient_loss(*flat),
        "temporal": 0.5 * losses.temporal_loss(exact, truth, unknown),
    }
    with torch.no_grad():
        prior = losses.alpha_loss(inputs[:, 1:-1, 8:9], truth, unknown)
    return torch.stack(list(terms.values())).sum(), {"prior": float(prior), **{k: float(v.detach()) for k, v in terms.items()}}


def propagation_step(network: PropagationNetwork, *, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of stage 1 on five frames of a shot: one key and a roll-out, or two keys and the frames between them."""
    draw = random.Random(seed)
    clips = make_clips(
        batch=setting.batch, times=_far_times(draw, 5), size=setting.size, seed=seed, footage=setting.footage, device=setting.device
    )
    keys = [0, 4] if draw.random() < 0.35 else [0]
    with torch.autocast(setting.device.type, dtype=setting.precision, enabled=setting.precision != torch.float32):
        logits, targets = rolled_out(network, clips.view, clips.classes, keys=keys)
    classes = clips.classes[:, targets, 0].flatten(0, 1)
    flat = logits.flatten(0, 1)
    terms = {"classes": losses.class_loss(flat, classes), "false": losses.false_certainty(flat, classes)}
    with torch.no_grad():
        agreement = (flat.argmax(1) == classes).float().mean()
        unmoved = (clips.classes[:, targets, 0] == clips.classes[:, :1, 0]).float().mean()
    return torch.stack(list(terms.values())).sum(), {
        "agreement": float(agreement),
        "unmoved": float(unmoved),
        **{k: float(v.detach()) for k, v in terms.items()},
    }


def _far_times(draw: random.Random, count: int) -> list[int]:
    reach = draw.choice([1, 2, 4, 8])
    times = [0]
    for _ in range(count - 1):
        times.append(times[-1] + draw.randint(1, reach))
    return times


def one_hot(classes: Tensor) -> Tensor:
    """Return N×3×H×W float from N×1×H×W classes."""
    return torch.cat([(classes == k).float() for k in range(3)], 1)


def rolled_out(network: PropagationNetwork, view: Tensor, classes: Tensor, *, keys: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Propagate the keys of N×T×… clips through all other frames, each solved frame remembered for the next.

    Returns logits N×targets×3×H×W and which frames they are.
    """
    n, t = view.shape[:2]
    frame = network.encode(view.flatten(0, 1))
    frames = [type(frame)(*(m.unflatten(0, (n, t))[:, i] for m in (frame.s2, frame.s4, frame.s8, frame.tokens))) for i in range(t)]
    known = [network.remember(frames[k], view[:, k], one_hot(classes[:, k])) for k in keys]
    solved: list[Memory] = []
    targets = [i for i in range(t) if i not in keys]
    logits = []
    for i in targets:
        logits.append(network.decode(frames[i], view[:, i], network.read(frames[i], [*known, *solved[-MEMORIES:]])))
        solved.append(network.remember(frames[i], view[:, i], logits[-1].softmax(1)))
    return torch.stack(logits, 1), targets
