"""One training step of each stage: clips in, loss out."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bridge.imaging.flow import motion_to_neighbours
from bridge.models.inputs import CONFIDENCE, FIRST_LOOK, PRIOR_ALPHA, UNKNOWN_CHANNEL, looked_twice, matting_inputs
from bridge.models.matting import MattingNetwork, exact_where_certain, guide
from bridge.models.propagation import Memory, PropagationNetwork, certain_classes

from . import losses
from .clips import Clips, make_clips
from .footage import Footage

FRAMES = 4  # of a clip of stage 2: two alphas, each from three frames
EVERY = 3  # a solve remembers every third frame and reads the nearest of them, as `bridge.shot.profile` says
ROLLED = 6  # frames of a clip of stage 1

ENLARGED = (1.0, 1.5, 2.0)  # how many times clips are enlarged for stage 1; objects then cover more of its tokens
GROUPS = 12  # prepared batches alive at once
REPEATED, FIRST = 0.12, 0.08  # shares of clips shown as one photograph, and as the first frames of a shot
MISLED = 0.25  # of the clips have a frame whose prior is wrong in patches, beyond what its colours would explain
HEAVIEST, NEARLY_RIGHT = 8.0, 0.03  # most weight of a pixel; mean error of a prior below which clips are alike
ANCHOR = 0.05  # share of certain pixels from which on a clip counts whole
CARRIED, FARTHEST = 0.5, 10  # share of batches with stage 1's own trimaps, where there is one; frames from the key at most
LOOKED_TWICE = 0.6  # share of batches in which, where there is a looker, frames are looked at twice as a solve does
EXCHANGED = 0.3  # of the clips have foreground and background exchanged
EXCHANGE = (0, 1, 2, 5, 4, 3, 7, 6, 8, 12, 13, 14, 9, 10, 11, 15, 16, 17)  # where each of the matting network's inputs then comes from
USES = 8  # steps between two new ones: so often each is used, every time flipped, turned and reversed anew

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What a step needs besides the network."""

    batch: int
    size: int
    footage: Footage | None
    device: torch.device
    precision: torch.dtype

    @property
    def autocast(self) -> torch.autocast:
        """A context in which convolutions run in this precision."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)


class Alive(Generic[T]):
    """Batches that cost more to make than to learn from: every so many steps a new one, each alive for a while and then forgotten.

    Which are alive at a step, and which of them is drawn, follows from the step alone: a resumed run makes them again.
    """

    def __init__(self, *, uses: int, most: int) -> None:
        """uses: steps between two new ones; most: how many are alive at once."""
        self._uses, self._most = uses, most
        self._made: dict[int, T] = {}

    def drawn(self, step: int, draw: random.Random, make: Callable[[int], T]) -> T:
        """Return one of those alive at a step, made by its number if it is not there."""
        newest = step // self._uses
        oldest = max(0, newest - self._most + 1)
        self._made = {number: batch for number, batch in self._made.items() if number >= oldest}
        number = draw.randint(oldest, newest)
        if number not in self._made:
            self._made[number] = make(number)
        return self._made[number]


@dataclass(frozen=True)
class Lesson:
    """A prepared batch of stage 2: inputs B×T×CHANNELS×H×W float16 and the truth."""

    inputs: Tensor
    alpha: Tensor
    contrast: Tensor
    classes: Tensor

    def varied(self, draw: random.Random) -> Lesson:
        """Return it flipped, turned by a right angle and reversed in time, as drawn; some clips hold still or begin late, see `played`, and
        some have foreground and background exchanged."""
        axes = [axis for axis in (1, 3, 4) if draw.random() < 0.5]
        turned = draw.random() < 0.5
        n, t = self.alpha.shape[:2]
        order = torch.tensor([played(draw, t) for _ in range(n)], device=self.alpha.device)
        clip = torch.arange(n, device=order.device)[:, None]
        maps = [m[clip, order].flip(axes) for m in (self.inputs, self.alpha, self.contrast, self.classes)]
        shown = Lesson(*(m.transpose(3, 4) if turned else m for m in maps))
        return shown.exchanged([b for b in range(n) if draw.random() < EXCHANGED])

    def exchanged(self, clips: list[int]) -> Lesson:
        """Return it with foreground and background exchanged in some clips: I = αF + (1 - α)B holds as well for B, F and 1 - α.

        Whatever then tells thin foreground from narrow gaps is the pixels, not which of the two clips mostly show."""
        inputs, alpha, classes = self.inputs.clone(), self.alpha.clone(), self.classes.clone()
        inputs[clips] = inputs[clips][:, :, EXCHANGE]
        inputs[clips, :, PRIOR_ALPHA] = 1 - inputs[clips, :, PRIOR_ALPHA]
        inputs[clips, :, FIRST_LOOK] = -inputs[clips, :, FIRST_LOOK]
        alpha[clips], classes[clips] = 1 - alpha[clips], 2 - classes[clips]
        return replace(self, inputs=inputs, alpha=alpha, classes=classes)


def played(draw: random.Random, frames: int) -> list[int]:
    """Return which frames to show in which order: all, or as at a shot's first frame, where the neighbour before is the frame itself,
    or one frame again and again, as a photograph is."""
    chance = draw.random()
    if chance < REPEATED:
        return [draw.randrange(frames)] * frames
    return [1, *range(1, frames)] if chance < REPEATED + FIRST else list(range(frames))


class MattingLessons:
    """Stage 2's step. Preparing a clip, the colour prior above all, costs more than learning from it, so each is used several times.

    How they are varied follows from the step's seed alone too.
    With a `carrier`, a stage 1 that stays as it is, some batches have the trimaps that it carries over from a key; with a `looker`, a
    stage 2 that stays as it is, most are looked at twice.
    """

    def __init__(self, *, carrier: PropagationNetwork | None = None, looker: MattingNetwork | None = None) -> None:
        self._alive = Alive[Lesson](uses=USES, most=GROUPS)
        self._carrier, self._looker = carrier, looker

    def step(self, network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
        """Return the loss on clips of four neighbouring frames: two alphas, each from three frames."""
        draw = random.Random(seed * 1_000_003 + step)

        def made(number: int) -> Lesson:
            return prepared(seed * 1_000_003 + number, setting, carrier=self._carrier, looker=self._looker)

        lesson = self._alive.drawn(step, draw, made).varied(draw)
        inputs = misled(lesson.inputs.float(), draw)
        with setting.autocast:
            alpha = network(inputs, motion_of(inputs))
        return _matting_loss(alpha, lesson, inputs)


@torch.no_grad()
def prepared(
    seed: int, setting: Setting, *, carrier: PropagationNetwork | None = None, looker: MattingNetwork | None = None, frames: int = FRAMES
) -> Lesson:
    """Make one batch of clips and what the network is shown of them; the prior searches at half resolution every other time."""
    draw = random.Random(seed)
    away = draw.randint(1, FARTHEST) if carrier is not None and draw.random() < CARRIED else 0
    times = [0, *range(away, away + frames)] if away else list(range(frames))
    clips = make_clips(
        batch=setting.batch, times=times, size=setting.size, seed=seed, footage=setting.footage, device=setting.device, glitches=True
    )
    if carrier is not None and away:
        clips = carried(carrier, clips, precision=setting.precision)
    n, t = clips.plate.shape[:2]
    flat = [x.flatten(0, 1) for x in (clips.view, clips.plate, clips.classes)]
    linear, step = clips.linear.repeat_interleave(t), 1 + seed % 2
    if looker is not None and draw.random() < LOOKED_TWICE:
        inputs = looked_twice(*flat, linear=linear, look=functools.partial(_look, looker, setting.precision), step=step)
    else:
        inputs = matting_inputs(*flat, linear=linear, step=step)
    inputs = inputs.unflatten(0, (n, t))
    contrast = (clips.foreground.clamp(0, 1) - clips.background.clamp(0, 1)).abs().mean(2, keepdim=True)
    return Lesson(inputs.half(), clips.alpha, contrast, clips.classes)


def _look(looker: MattingNetwork, precision: torch.dtype, inputs: Tensor) -> Tensor:
    with torch.autocast(inputs.device.type, dtype=precision, enabled=precision != torch.float32):
        return looker.alone(inputs)


def carried(carrier: PropagationNetwork, clips: Clips, *, precision: torch.dtype) -> Clips:
    """Return the clips without their first frame, which is the key; stage 1 carries its trimap to the others.

    The frames between are not there: all but the last read the key alone, as far as they are from it.
    """
    n, t, _, *size = clips.view.shape
    view, marks = (m.unflatten(0, (n, t)) for m in enlarged(clips.view.flatten(0, 1), clips.classes.flatten(0, 1), factor=ENLARGED[-1]))
    with torch.autocast(view.device.type, dtype=precision, enabled=precision != torch.float32):
        logits, _ = rolled_out(carrier, view, marks, keys=[0])
    classes = certain_classes(logits.flatten(0, 1).float().softmax(1), size=(size[0], size[1])).unflatten(0, (n, t - 1))
    later = {f.name: getattr(clips, f.name)[:, 1:] for f in fields(clips) if f.name not in ("linear", "curve", "classes")}
    return replace(clips, **later, classes=classes)


def motion_of(inputs: Tensor) -> Tensor:
    """Return where every pixel lies in the neighbours, N×(T-2)×4×H×W, for all but the first and last frame of clips N×T×CHANNELS×H×W."""
    return searched(guide(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2]))


def searched(guides: Tensor, *, refinements: int = 0) -> Tensor:
    """Return the same, N×(T-2)×4×H×W, of what motion is searched on, N×T×H×W uint8."""
    search = functools.partial(motion_to_neighbours, finest=1, refinements=refinements)
    found = [[search(*clip[i : i + 3]) for i in range(len(clip) - 2)] for clip in guides.cpu().numpy()]
    return torch.from_numpy(np.stack([np.stack(clip) for clip in found])).to(guides.device)


def evened(unknown: Tensor, wrong: Tensor) -> Tensor:
    """Weigh the unknown region, N×T×1×H×W, so that clips with a narrow band, and those on which the prior is nearly right, count too.

    wrong: how far the prior is off, the same shape. A clip's weight is one over its unknown pixels and over the prior's mean error there,
    at most HEAVIEST times the mean of all: what counts is by how much the network makes the prior better or worse.
    """
    count = unknown.sum((1, 2, 3, 4), keepdim=True)
    error = (unknown * wrong).sum((1, 2, 3, 4), keepdim=True) / count.clamp(min=1.0)
    weight = (count > 0) / (count.clamp(min=1.0) * (error + NEARLY_RIGHT))
    mean = (weight * count).sum() / count.sum().clamp(min=1.0)
    return unknown * (weight / mean.clamp(min=1e-12)).clamp(max=HEAVIEST)


def anchored(unknown: Tensor) -> Tensor:
    """Return N×1×1×1×1, 0..1, how much a clip counts where pixels are counted: less where hardly any is certain, which no artist leaves so.

    unknown: N×T×1×H×W, 1 where the trimap is unknown. Which of two things is the foreground is then anybody's guess.
    """
    return ((1.0 - unknown.mean((1, 2, 3, 4), keepdim=True)) / ANCHOR).clamp(max=1.0)


def misled(inputs: Tensor, draw: random.Random) -> Tensor:
    """Make the prior of one frame of some clips wrong in patches of the unknown region: even, blurred, shifted or inverted.

    inputs: N×T×CHANNELS×H×W. Neighbours still show it right, so the network learns to ask them (as masked modelling does, He et al. 2022).
    """
    n, t, _, h, w = inputs.shape
    result = inputs.clone()
    for b in range(n):
        if draw.random() >= MISLED:
            continue
        frame, cells = result[b, draw.randrange(t)], draw.randint(2, 7)
        generator = torch.Generator().manual_seed(draw.getrandbits(32))
        bumps = torch.rand(1, 1, cells + 2, cells + 2, generator=generator).to(inputs.device)
        where = (F.interpolate(bumps, size=(h, w), mode="bicubic")[0, 0] > draw.uniform(0.4, 0.7)) & (frame[UNKNOWN_CHANNEL] > 0.5)
        alpha = frame[PRIOR_ALPHA]
        wrong = draw.choice((_even, _blurred, _shifted, _inverted))(alpha, draw)
        frame[PRIOR_ALPHA] = torch.where(where, wrong, alpha)
        trust = draw.uniform(0.0, 0.5)
        frame[CONFIDENCE] = torch.where(where, trust * frame[CONFIDENCE], frame[CONFIDENCE])
    return result


def _even(alpha: Tensor, draw: random.Random) -> Tensor:
    return torch.full_like(alpha, draw.choice((0.0, 1.0, draw.random())))


def _blurred(alpha: Tensor, draw: random.Random) -> Tensor:
    reach = draw.randint(2, 10)
    return F.avg_pool2d(alpha[None], 2 * reach + 1, 1, reach, count_include_pad=False)[0]


def _shifted(alpha: Tensor, draw: random.Random) -> Tensor:
    return alpha.roll((draw.randint(-12, 12), draw.randint(-12, 12)), (0, 1))


def _inverted(alpha: Tensor, draw: random.Random) -> Tensor:
    share = draw.uniform(0.5, 1.0)
    return torch.lerp(alpha, 1 - alpha, share)


def _matting_loss(alpha: Tensor, lesson: Lesson, inputs: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss: most terms weigh clips as `evened` does; "sum" and "regrets" count every unknown pixel of `anchored` clips alike, as
    SAD and dtSSD do."""
    classes, truth, contrast = (m[:, 1:-1] for m in (lesson.classes, lesson.alpha, lesson.contrast))
    unknown = (classes == 1).float()
    before = torch.where(classes == 1, inputs[:, 1:-1, PRIOR_ALPHA : PRIOR_ALPHA + 1], truth)
    weight = evened(unknown, (before - truth).abs())
    exact = exact_where_certain(alpha, classes)
    alike = unknown * anchored(unknown)
    flat, plain = ([x.flatten(0, 1) for x in (exact, truth, which)] for which in (weight, alike))
    terms = {
        "alpha": losses.alpha_loss(*flat),
        "regret": losses.regret_loss(*flat, before=before.flatten(0, 1)),
        "square": 2.0 * losses.square_loss(*flat),
        "composition": 0.5 * losses.composition_loss(*flat, contrast=contrast.flatten(0, 1)),
        "laplacian": 0.5 * losses.laplacian_loss(*flat),
        "gradient": 0.5 * losses.gradient_loss(*flat),
        "temporal": 1.5 * losses.temporal_loss(exact, truth, weight),
        "change": 6.0 * losses.change_loss(exact, truth, weight),
        "sum": losses.alpha_loss(*plain) + 2.0 * losses.square_loss(*plain) + 6.0 * losses.change_loss(exact, truth, alike),
        "regrets": losses.regret_loss(*plain, before=before.flatten(0, 1)),
    }
    prior = losses.alpha_loss(inputs[:, 1:-1, PRIOR_ALPHA : PRIOR_ALPHA + 1], truth, unknown)
    return torch.stack(list(terms.values())).sum(), {"prior": float(prior), **{k: float(v.detach()) for k, v in terms.items()}}


def propagation_step(network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of stage 1 on six frames of a shot: one key and a roll-out, or two keys and the frames between them.

    Every frame, every second or every third is remembered, so that what is read of it has been handed on up to four times.
    """
    assert isinstance(network, PropagationNetwork)
    number = seed * 1_000_003 + step
    draw = random.Random(number)
    factor = draw.choice(ENLARGED)
    batch = max(2, round(setting.batch / factor**2))
    clips = make_clips(
        batch=batch, times=far_times(draw, ROLLED), size=setting.size, seed=number, footage=setting.footage, device=setting.device
    )
    keys = [0, ROLLED - 1] if draw.random() < 0.35 else [0]
    every = draw.randint(1, EVERY)
    clips = repainted(clips, [b for b in range(batch) if draw.random() < EXCHANGED])
    view, marks = (m.unflatten(0, (batch, -1)) for m in enlarged(clips.view.flatten(0, 1), clips.classes.flatten(0, 1), factor=factor))
    with setting.autocast:
        logits, targets = rolled_out(network, view, marks, keys=keys, every=every)
    classes = marks[:, targets, 0].flatten(0, 1)
    flat = logits.flatten(0, 1)
    terms = {"classes": losses.class_loss(flat, classes), "false": losses.false_certainty(flat, classes)}
    with torch.no_grad():
        agreement = (flat.argmax(1) == classes).float().mean()
        unmoved = (marks[:, targets, 0] == marks[:, :1, 0]).float().mean()
    return torch.stack(list(terms.values())).sum(), {
        "agreement": float(agreement),
        "unmoved": float(unmoved),
        **{k: float(v.detach()) for k, v in terms.items()},
    }


def repainted(clips: Clips, which: list[int]) -> Clips:
    """Return the clips; some have trimaps that call background what was foreground. Stage 1 carries what was painted, whatever is shown."""
    classes = clips.classes.clone()
    classes[which] = 2 - classes[which]
    return replace(clips, classes=classes)


def enlarged(view: Tensor, classes: Tensor, *, factor: float) -> tuple[Tensor, Tensor]:
    """Return N×3×H×W views and N×1×H×W classes at `factor` times their size, as stage 1 is shown small plates."""
    if factor == 1.0:
        return view, classes
    marks = F.interpolate(classes.float(), scale_factor=factor, mode="nearest-exact").to(classes.dtype)
    return F.interpolate(view, scale_factor=factor, mode="bilinear"), marks


def far_times(draw: random.Random, count: int) -> list[int]:
    """Return frame numbers at most 0, 1, 2, 4 or 8 apart; with 0 nothing moves, and the key's own trimap is the answer."""
    reach = draw.choice([0, 1, 2, 4, 8])
    times = [0]
    for _ in range(count - 1):
        times.append(times[-1] + draw.randint(min(1, reach), reach))
    return times


def one_hot(classes: Tensor) -> Tensor:
    """Return N×3×H×W float from N×1×H×W classes."""
    return torch.cat([(classes == k).float() for k in range(3)], 1)


def rolled_out(
    network: PropagationNetwork, view: Tensor, classes: Tensor, *, keys: Sequence[int], every: int = EVERY
) -> tuple[Tensor, list[int]]:
    """Propagate the keys of N×T×… clips through all other frames, every so manieth from the first key remembered until the next is.

    Returns logits N×targets×3×H×W and which frames they are.
    """
    n, t = view.shape[:2]
    frame = network.encode(view.flatten(0, 1))
    frames = [type(frame)(*(getattr(frame, f.name).unflatten(0, (n, t))[:, i] for f in fields(frame))) for i in range(t)]
    known = [network.remember(frames[k], view[:, k], one_hot(classes[:, k])) for k in keys]
    solved: tuple[Memory, ...] = ()
    targets = [i for i in range(t) if i not in keys]
    logits = []
    for i in targets:
        logits.append(network.decode(frames[i], view[:, i], network.read(frames[i], known, solved)))
        if (i - keys[0]) % every == 0 and i != targets[-1]:
            solved = (network.remember(frames[i], view[:, i], logits[-1].softmax(1)),)
    return torch.stack(logits, 1), targets
