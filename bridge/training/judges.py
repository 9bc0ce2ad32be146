"""What the averaged weights are judged by while they train: held-out clips, and photographs that are never trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from bridge.models.inputs import PRIOR_ALPHA, looked_twice, matting_inputs
from bridge.models.matting import COARSEST, MattingNetwork, exact_where_certain
from bridge.models.propagation import PropagationNetwork
from bridge.models.steadying import SteadyingNetwork

from . import losses
from .clips import held_out_clips
from .footage import Footage
from .stages import motion_of, rolled_out
from .steadying import FRAMES as STEADIED
from .steadying import seen_of

PHOTOGRAPHS = (1, 2, 3, 5, 6, 7, 9, 10, 11, 12)


def photographs(folder: Path) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield view 1×3×H×W, classes 1×1×H×W and true alpha of each validation photograph, trimap1 (Rhemann et al. 2009)."""
    for number in PHOTOGRAPHS:
        image = cv2.imread(str(folder / "image" / f"GT{number:02d}.png"), cv2.IMREAD_COLOR)
        trimap = cv2.imread(str(folder / "trimap1" / f"GT{number:02d}.png"), cv2.IMREAD_GRAYSCALE)
        truth = cv2.imread(str(folder / "alpha" / f"GT{number:02d}.png"), cv2.IMREAD_GRAYSCALE)
        if image is None or trimap is None or truth is None:
            raise FileNotFoundError(f"{folder}: photograph GT{number:02d} is incomplete")
        view = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))).float() / 255.0
        classes = torch.from_numpy(np.select([trimap == 0, trimap == 255], [0, 2], 1).astype(np.uint8))
        yield view[None], classes[None, None], torch.from_numpy(truth).float()[None, None] / 255.0


def padded(x: Tensor, *, step: int = COARSEST) -> Tensor:
    """Extend N×C×H×W to multiples of `step` by repeating the last row and column."""
    h, w = x.shape[-2:]
    return torch.nn.functional.pad(x.float(), (0, -w % step, 0, -h % step), mode="replicate").to(x.dtype)


def judge_photographs(network: MattingNetwork, folder: Path) -> dict[str, float]:
    """Return mean SAD (thousands) and MSE over the unknown region, for the network and for the prior alone."""
    scores = []
    for view, classes, truth in photographs(folder):
        whole, marks = padded(view), padded(classes)
        alpha = network.alone(looked_twice(whole, whole, marks, linear=False, look=network.alone))
        prior = matting_inputs(whole, whole, marks, linear=False)[:, PRIOR_ALPHA : PRIOR_ALPHA + 1]
        row = []
        for result in (alpha, prior):
            exact = exact_where_certain(result[..., : view.shape[2], : view.shape[3]], classes)
            error = (exact - truth)[classes == 1]
            row += [float(error.abs().sum()) / 1000.0, float((error**2).mean())]
        scores.append(row)
    sad, mse, prior_sad, prior_mse = np.mean(scores, 0)
    return {"photo_sad": sad, "photo_mse": mse, "photo_prior_sad": prior_sad, "photo_prior_mse": prior_mse}


def judge_clips(network: MattingNetwork, *, footage: Footage | None, count: int = 6) -> dict[str, float]:
    """Return mean absolute error in the unknown region of held-out clips: network, prior, and with neighbours = centre."""
    errors = []
    for index in range(count):
        clips = held_out_clips(index, frames=4, size=256, footage=footage)
        n, t = clips.plate.shape[:2]
        flat, linear = [x.flatten(0, 1) for x in (clips.view, clips.plate, clips.classes)], clips.linear.repeat_interleave(t)
        prior = matting_inputs(*flat, linear=linear).unflatten(0, (n, t))[:, 1:-1, PRIOR_ALPHA : PRIOR_ALPHA + 1]
        inputs = looked_twice(*flat, linear=linear, look=network.alone).unflatten(0, (n, t))
        truth, unknown = clips.alpha[:, 1:-1], clips.classes[:, 1:-1] == 1
        alone = torch.stack([network.alone(inputs[:, i]) for i in range(1, t - 1)], 1)
        rows = [network(inputs, motion_of(inputs)), prior, alone]
        change = [((a[:, 1:] - a[:, :-1]) - (truth[:, 1:] - truth[:, :-1]))[unknown[:, 1:]].abs().mean() for a in rows]
        errors.append([float((a - truth)[unknown].abs().mean()) for a in rows] + [float(c) for c in change])
    names = ("clip_mad", "clip_prior_mad", "clip_alone_mad", "clip_change", "clip_prior_change", "clip_alone_change")
    return dict(zip(names, np.nanmean(errors, 0).tolist(), strict=True))


def judge_propagation(network: PropagationNetwork, *, footage: Footage | None, count: int = 6, frames: int = 13) -> dict[str, float]:
    """Return class agreement and the share called certain but wrong, over held-out clips rolled out from the first frame."""
    rows = []
    for index in range(count):
        clips = held_out_clips(index, frames=frames, size=256, footage=footage)
        logits, targets = rolled_out(network, clips.view, clips.classes, keys=[0])
        truth, guess = clips.classes[:, targets, 0], logits.argmax(2)
        wrong = ((guess != 1) & (guess != truth)).float().mean()
        opposite = ((guess - truth.long()).abs() == 2).float().mean()
        still = (clips.classes[:, :1, 0] == truth).float().mean()
        rows.append([float((guess == truth).float().mean()), float(wrong), float(opposite), float(still)])
    return dict(zip(("agreement", "certain_wrong", "opposite", "unmoved"), np.mean(rows, 0).tolist(), strict=True))


def judge_matting(network: nn.Module, *, footage: Footage | None, data: Path | None) -> dict[str, float]:
    """Return both judges' numbers of stage 2; photographs only where there are any."""
    assert isinstance(network, MattingNetwork)
    verdict = judge_clips(network, footage=footage)
    if data is not None and (data / "validation").is_dir():
        verdict |= judge_photographs(network, data / "validation")
    return verdict


def judge_steadying(network: nn.Module, *, matter: MattingNetwork, footage: Footage | None, count: int = 6) -> dict[str, float]:
    """Return mean absolute error and change, in the unknown region of held-out clips, of mattes before and after they are steadied."""
    assert isinstance(network, SteadyingNetwork)
    rows = []
    for index in range(count):
        clips = held_out_clips(index, frames=STEADIED, size=256, footage=footage)
        flat, linear = [x.flatten(0, 1) for x in (clips.view, clips.plate, clips.classes)], clips.linear.repeat_interleave(STEADIED)
        inputs = looked_twice(*flat, linear=linear, look=matter.alone)[None]
        solved = exact_where_certain(matter(inputs, motion_of(inputs)), clips.classes[:, 1:-1])
        classes, truth = clips.classes[:, 2:-2], clips.alpha[:, 2:-2]
        steadied = network(seen_of(inputs[:, 1:-1], solved)[0])[None]
        unknown = (classes == 1).float()
        row = []
        for alpha in (solved[:, 1:-1], exact_where_certain(steadied, classes)):
            error = losses.masked_mean((alpha - truth).abs(), unknown)
            row += [float(error), float(losses.change_loss(alpha, truth, unknown)) ** 0.5]
        rows.append(row)
    mean = torch.tensor(rows).mean(0).tolist()
    return dict(zip(("clip_mad", "clip_change", "steadied_mad", "steadied_change"), mean, strict=True))
