"""Learning to steady mattes: stage 2 as it is solves clips, and a small network learns what their neighbours say about each."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridge.models.matting import MattingNetwork, exact_where_certain
from bridge.models.propagation import PropagationNetwork
from bridge.models.steadying import MOVED, OWN, REFINEMENTS, matte_guide, matted, own_inputs, steadying_inputs

from . import losses
from .stages import Alive, Setting, anchored, evened, motion_of, prepared, searched

FRAMES = 8  # of a clip: six are solved, four are steadied
CROP = 128  # pixels to a side of what a step sees of a clip
CLIPS = 8  # a step sees
USES, ALIVE = 10, 30  # steps between two new batches of clips, and how many are alive at once
EMPTY, DRAWS = 0.02, 20  # share of unknown pixels below which a crop is drawn again, so often
CHANGE = 24.0  # weight of squared change, which dtSSD sums; four times what it weighs for stage 2, whose mattes are right already


@dataclass(frozen=True)
class Shown:
    """A prepared batch: what the network is shown, B×T×SEEN×H×W float16, the true alpha B×T×1×H×W, and where the trimap is unknown."""

    seen: Tensor
    alpha: Tensor
    unknown: Tensor

    def cropped(self, draw: random.Random) -> tuple[Tensor, ...]:
        """Return a square of one clip as drawn, T×…, flipped, turned by a right angle and played backwards as often as not."""
        clip = draw.randrange(len(self.seen))
        for _ in range(DRAWS):
            rows, columns = (_span(draw, length) for length in self.seen.shape[-2:])
            if float(self.unknown[clip, ..., rows, columns].float().mean()) >= EMPTY:
                break
        axes = [axis for axis in (-2, -1) if draw.random() < 0.5]
        turned, backwards = draw.random() < 0.5, draw.random() < 0.5
        maps = [m[clip, ..., rows, columns].flip(axes).float() for m in (self.seen, self.alpha, self.unknown)]
        if turned:
            maps = [m.transpose(-2, -1) for m in maps]
        if backwards:
            maps = [m.flip(0) for m in maps]
            maps[0] = maps[0][:, backwards_order()]
        return tuple(maps)


def _span(draw: random.Random, length: int) -> slice:
    low = draw.randint(0, max(0, length - CROP))
    return slice(low, min(low + CROP, length))


def backwards_order() -> list[int]:
    """Return where each channel of what the network is shown comes from when a clip is played backwards: before and after change places."""
    groups = [[1 + MOVED * kind + 2 * motion + end for end in (1, 0)] for kind in range(3) for motion in range(MOVED // 2)]
    moved = [channel for group in groups for channel in group]
    return [0, *moved, *range(1 + len(moved), 1 + len(moved) + len(OWN))]


def seen_of(inputs: Tensor, alpha: Tensor) -> Tensor:
    """Return what the network is shown of all but the first and last frame of clips, N×(T-2)×SEEN×H×W.

    inputs: N×T×CHANNELS×H×W of stage 2; alpha: N×T×1×H×W, its mattes, exact where certain.
    """
    n, t = alpha.shape[:2]
    by_matte = searched(matte_guide(alpha.flatten(0, 1)).unflatten(0, (n, t)), refinements=REFINEMENTS)
    motions = torch.cat([motion_of(inputs), by_matte], 2).flatten(0, 1)
    frames = [(alpha[:, i : i + t - 2].flatten(0, 1), own_inputs(inputs[:, i : i + t - 2].flatten(0, 1))) for i in range(3)]
    return steadying_inputs(*frames[1], matted(*frames[0]), matted(*frames[2]), motions).unflatten(0, (n, t - 2))


class SteadyingLessons:
    """The step: crops of batches that stay alive for a while, for a batch of clips costs more to solve than to learn from.

    What is cropped follows from the step's seed alone.
    `matter` solves the clips and takes their first looks; with a `carrier` half of them have the trimaps that stage 1 carries.
    """

    def __init__(self, *, matter: MattingNetwork, carrier: PropagationNetwork | None = None) -> None:
        self._alive = Alive[Shown](uses=USES, most=ALIVE)
        self._matter, self._carrier = matter, carrier

    def step(self, network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
        """Return the loss on crops of four neighbouring frames each."""
        draw = random.Random(seed * 1_000_003 + step)

        def made(number: int) -> Shown:
            return shown_of(seed * 1_000_003 + number, setting, matter=self._matter, carrier=self._carrier)

        crops = [self._alive.drawn(step, draw, made).cropped(draw) for _ in range(CLIPS)]
        seen, truth, unknown = (torch.stack(parts) for parts in zip(*crops, strict=True))
        with setting.autocast:
            alpha = network(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])
        return _loss(alpha, seen[:, :, :1], truth, unknown)


@torch.no_grad()
def shown_of(seed: int, setting: Setting, *, matter: MattingNetwork, carrier: PropagationNetwork | None) -> Shown:
    """Make one batch of clips, solve them, and return what the network is shown of them."""
    lesson = prepared(seed, setting, carrier=carrier, looker=matter, frames=FRAMES)
    inputs = lesson.inputs.float()
    with setting.autocast:
        alpha = matter(inputs, motion_of(inputs))
    alpha = exact_where_certain(alpha.float(), lesson.classes[:, 1:-1])
    return Shown(seen_of(inputs[:, 1:-1], alpha).half(), lesson.alpha[:, 2:-2], lesson.classes[:, 2:-2] == 1)


def _loss(alpha: Tensor, before: Tensor, truth: Tensor, unknown: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss, B×T×1×H×W each: every term once with clips weighed as `evened` does, and once with every unknown pixel alike, as SAD
    and dtSSD count them. `before` is the matte as it came."""
    exact = torch.where(unknown > 0, alpha, before)
    terms: dict[str, Tensor] = {}
    for name, weight in (("evened", evened(unknown, (before - truth).abs())), ("alike", unknown * anchored(unknown))):
        flat = [m.flatten(0, 1) for m in (exact, truth, weight)]
        terms |= {
            f"{name}.alpha": losses.alpha_loss(*flat),
            f"{name}.square": 2.0 * losses.square_loss(*flat),
            f"{name}.gradient": 0.5 * losses.gradient_loss(*flat),
            f"{name}.temporal": losses.temporal_loss(exact, truth, weight),
            f"{name}.change": CHANGE * losses.change_loss(exact, truth, weight),
            f"{name}.regret": losses.regret_loss(*flat, before=before.flatten(0, 1)),
        }
    unsteadied = losses.change_loss(before, truth, unknown)
    ratio = losses.change_loss(exact.detach(), truth, unknown) / unsteadied.clamp(min=1e-9)
    return torch.stack(list(terms.values())).sum(), {"change_ratio": float(ratio), **{k: float(v.detach()) for k, v in terms.items()}}
