"""Generated clips with exactly known alpha, foreground, background and trimaps for every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bridge.models.inputs import encoded

from .composite import Parts, mixed, occluded, over, sampled, settled, softened, straight
from .degrade import worn
from .drafts import EXTENT, Draft, Piece, drafted
from .footage import Footage
from .foregrounds import HELD_OUT
from .glitches import Glitch, camouflaged, drawn_glitch, mistaken, moments, worsened
from .motion import grids
from .textures import decoded, light_of
from .trimaps import NARROW, WIDEST, painted, perturbed

TRAINING, HELD_BACK = 1, 2  # the first word of every seed: clips of one kind share neither seeds nor layers with the other
HELD_OUT_SEED = 9_000_000_000
MISTAKEN = 0.3  # of the clips have trimaps as stage 1 gives them
SEEN = ("strands", "smoke", "blobs", "edges")


@dataclass(frozen=True)
class Clips:
    """A batch of clips. plate, foreground, background: B×T×3×H×W float32, scene-linear where linear[b], else display-referred 0..1;
    view: B×T×3×H×W, the network's view; alpha: B×T×1×H×W; classes: B×T×1×H×W uint8, 0 background, 1 unknown, 2 foreground; linear: B bool;
    curve: B float32, the power of its values in which a plate mixes: 1 where it is scene-linear and where layers were laid over each other
    in display-referred values, more where a camera filmed display-referred ones, since its lens mixes light.

    Before degradation plate^curve = alpha · foreground^curve + (1 - alpha) · background^curve, exactly; `foreground` and `background` are
    clean.
    """

    plate: Tensor
    view: Tensor
    alpha: Tensor
    foreground: Tensor
    background: Tensor
    classes: Tensor
    linear: Tensor
    curve: Tensor


def make_clips(
    *,
    batch: int,
    times: Sequence[float] | Tensor,
    size: int | tuple[int, int],
    seed: int,
    footage: Footage | None,
    device: torch.device | str = "cpu",
    families: Sequence[str] | None = None,
    clean: bool = False,
    glitches: bool = False,
    held_back: bool = False,
) -> Clips:
    """Make clips at the given frame numbers, T of them or B×T; the same seed gives the same clips on the same kind of device.

    size: the side of square frames, or height and width. families: which to draw from; by default all those for training.
    clean: no noise, compression or painting errors. glitches: single frames are ambiguous, see `bridge.training.glitches`; some clips
    then stand still, and times must be T of them. held_back: of seeds and layers that training cannot draw, to be judged by. Raises
    ValueError for an unknown family.
    """
    words = [HELD_BACK if held_back else TRAINING, seed]
    if not glitches:
        return _clips(words, batch, times, size, footage, torch.device(device), families, clean)
    frame = (size, size) if isinstance(size, int) else (size[0], size[1])
    drawn = [drawn_glitch(np.random.default_rng([*words, b, 2]), frames=len(times), size=frame) for b in range(batch)]
    whens = np.stack([moments(np.random.default_rng([*words, b, 3]), times=[float(t) for t in times]) for b in range(batch)])
    return _clips(words, batch, torch.from_numpy(whens), size, footage, torch.device(device), families, clean, drawn)


def held_out_family(index: int) -> str:
    """Return the family of the held-out clip of an index: for half of them one that training never sees."""
    families = HELD_OUT if index % 2 == 0 else SEEN
    return families[index // 2 % len(families)]


def held_out_clips(index: int, *, frames: int = 24, size: int | tuple[int, int] = 256, footage: Footage | None) -> Clips:
    """Make the held-out clip of an index, of its `held_out_family` and of seeds that training cannot draw."""
    family, seed = held_out_family(index), HELD_OUT_SEED + index
    return make_clips(batch=1, times=range(frames), size=size, seed=seed, footage=footage, families=[family], held_back=True)


def _clips(
    words: list[int],
    batch: int,
    times: Sequence[float] | Tensor,
    size: int | tuple[int, int],
    footage: Footage | None,
    device: torch.device,
    families: Sequence[str] | None,
    clean: bool,
    glitches: Sequence[Glitch] = (),
) -> Clips:
    frame = (size, size) if isinstance(size, int) else (size[0], size[1])
    whens = np.broadcast_to(np.asarray(times, np.float64), (batch, np.shape(times)[-1]))
    drafts = [
        drafted(
            [*words, b],
            times=whens[b],
            size=frame,
            footage=footage,
            families=families,
            clean=clean,
            kind=glitches[b].kind if glitches else "usual",
        )
        for b in range(batch)
    ]
    if glitches:
        drafts = [d if d.wear is None else replace(d, wear=worsened(d.wear, g)) for d, g in zip(drafts, glitches, strict=True)]
    generator = torch.Generator(device).manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))
    parts: dict[int, tuple[Tensor, ...]] = {}
    for chosen in _together(drafts, device):
        rendered = _group([drafts[b] for b in chosen], frame, device, generator, [glitches[b] for b in chosen] if glitches else [])
        parts |= {b: tuple(r[place] for r in rendered) for place, b in enumerate(chosen)}
    plate, view, alpha, foreground, background = (torch.stack(p) for p in zip(*(parts[b] for b in range(batch)), strict=True))
    classes = torch.from_numpy(_classes(words, alpha, whens, clean, glitches)).to(device)
    linear, curve = torch.tensor([d.linear for d in drafts], device=device), torch.tensor([d.curve for d in drafts], device=device)
    return Clips(plate, view, alpha, foreground, background, classes, linear, curve)


def _together(drafts: list[Draft], device: torch.device) -> list[list[int]]:
    """Return which drafts to render at once: on a CPU one by one, which fits its cache; elsewhere all that are alike in their pictures."""
    if device.type == "cpu":
        return [[b] for b in range(len(drafts))]
    kinds: dict[tuple[int, int], list[int]] = {}
    for b, draft in enumerate(drafts):
        kinds.setdefault((draft.instants, len(draft.behind.pixels)), []).append(b)
    return list(kinds.values())


def _classes(words: list[int], alpha: Tensor, times: NDArray[np.float64], clean: bool, glitches: Sequence[Glitch]) -> NDArray[np.uint8]:
    """Return B×T×1×H×W classes, painted for every clip, and spoiled for some unless clean; glitches come on top."""
    alphas = alpha[:, :, 0].cpu().numpy()
    found = []
    for b, clip in enumerate(alphas):
        rng = np.random.default_rng([*words, b, 1])
        plain = bool(glitches) and glitches[b].kind == "plain"
        classes = painted(rng, clip, times[b], clean=clean, widest=NARROW if plain else WIDEST)
        spoiled = rng.random() < MISTAKEN
        classes = np.stack([perturbed(rng, c) for c in classes]) if spoiled and not clean else classes
        found.append(mistaken(rng, classes, glitches[b]) if glitches else classes)
    return np.stack(found)[:, :, None]


def _group(
    drafts: list[Draft], size: tuple[int, int], device: torch.device, generator: torch.Generator, glitches: Sequence[Glitch]
) -> tuple[Tensor, ...]:
    """Return plate, view, alpha, foreground and background of drafts of the same number of instants, each B×T×C×H×W."""
    frames = len(drafts[0].times)
    linear = torch.tensor([d.linear for d in drafts], device=device)
    parts = _composed(drafts, size, device)
    colour = straight(parts.premultiplied, parts.alpha)
    flicker = np.stack([d.flicker for d in drafts])
    bright = torch.tensor(flicker, dtype=torch.float32, device=device).view(-1, 1, 1, 1)
    most = torch.where(linear, torch.inf, 1.0).repeat_interleave(frames).view(-1, 1, 1, 1)
    colour, behind = ((c * bright).clamp(min=0).minimum(most) for c in (colour, parts.behind))
    foreground, alpha, background = (x.unflatten(0, (len(drafts), frames)) for x in (colour, parts.alpha, behind))
    if glitches:
        background = camouflaged(background, foreground, glitches)
    curve = torch.tensor([d.curve for d in drafts], device=device).view(-1, 1, 1, 1, 1)
    plate = mixed(foreground, alpha, background, curve=curve)
    wears = [d.wear for d in drafts if d.wear is not None]
    if wears:
        plate = worn(plate, wears, linear=linear, generator=generator)
    kinds = bool(linear[0]) if len(drafts) == 1 else linear.repeat_interleave(frames)
    return plate, encoded(plate.flatten(0, 1), kinds).view_as(plate), alpha, foreground, background


def _composed(drafts: list[Draft], size: tuple[int, int], device: torch.device) -> Parts:
    """Return the exact parts of every frame, B·T of them."""
    instants, frames = drafts[0].instants, len(drafts[0].times)
    offsets = (np.arange(instants) + 0.5) / instants - 0.5
    times = np.stack([(d.times[:, None] + d.shutter * offsets).ravel() for d in drafts])
    front = _warped([d.first for d in drafts], drafts, times, size, device)
    rivals = [b for b, d in enumerate(drafts) if d.second is not None]
    occluding = torch.tensor([d.occluding and d.second is not None for d in drafts], device=device).view(-1, 1, 1, 1, 1)
    joined, upper = front, front
    if rivals:
        upper = torch.zeros_like(front)
        pieces = [d.second for d in drafts if d.second is not None]
        upper[rivals] = _warped(pieces, [drafts[b] for b in rivals], times[rivals], size, device)
        joined = torch.where(occluding, front, over(upper, front))
    joined = joined.flatten(0, 1)
    parts = Parts(joined[:, :3], joined[:, 3:], _behind(drafts, times, size, device).flatten(0, 1))
    if bool(occluding.any()):
        parts = occluded(parts, torch.where(occluding, upper, 0.0).flatten(0, 1))
    soft = torch.tensor([d.softness for d in drafts], dtype=torch.float32, device=device).repeat_interleave(frames)
    return settled(softened(parts, soft) if bool(soft.any()) else parts)


def _warped(pieces: list[Piece], drafts: list[Draft], times: NDArray[np.float64], size: tuple[int, int], device: torch.device) -> Tensor:
    """Return premultiplied RGBA B×T×4×H×W of one piece of each draft, averaged over the instants."""
    pictures = _floats(np.stack([p.picture for p in pieces]), device)
    colour = _mixing(pictures[:, :3], drafts, [False] * len(drafts))
    layers = torch.cat([colour * pictures[:, 3:], pictures[:, 3:]], 1)
    grid = grids([p.motion for p in pieces], times, size, pieces[0].extent, device)
    folded = torch.tensor([p.folded for p in pieces], device=device)
    return sampled(layers, grid, folded=folded, instants=drafts[0].instants)


def _behind(drafts: list[Draft], times: NDArray[np.float64], size: tuple[int, int], device: torch.device) -> Tensor:
    """Return what lies behind, B×T×3×H×W, averaged over the instants; a filmed run has a picture for each frame."""
    played = len(drafts[0].behind.pixels)
    pixels = _floats(np.concatenate([d.behind.pixels for d in drafts]), device)
    repeated = [d for d in drafts for _ in range(played)]
    layers = _mixing(pixels, repeated, [d.behind.logarithmic for d in repeated])
    short = min(size)
    grid = grids([d.camera for d in drafts], times, size, (EXTENT * size[0] / short, EXTENT * size[1] / short), device)
    grid = grid.view(len(repeated), -1, *grid.shape[2:])
    found = sampled(layers, grid, folded=True, instants=drafts[0].instants)
    return found.reshape(len(drafts), -1, *found.shape[2:])


def _floats(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device).float() / 255


def _mixing(colours: Tensor, drafts: list[Draft], logarithmic: list[bool]) -> Tensor:
    """Take 8-bit colours N×3×h×w, 0..1, to the domain in which each draft's plate mixes: exposed, balanced, highlights above 1 in light."""
    gain = torch.tensor(np.stack([d.gain for d in drafts]), dtype=torch.float32, device=colours.device).view(-1, 3, 1, 1)
    kinds = [(d.linear, coded) for d, coded in zip(drafts, logarithmic, strict=True)]
    if len(set(kinds)) == 1:
        return _exposed(colours, kinds[0], [d.highlights for d in drafts], gain)
    result = torch.empty_like(colours)
    for kind in set(kinds):
        chosen = [i for i, k in enumerate(kinds) if k == kind]
        result[chosen] = _exposed(colours[chosen], kind, [drafts[i].highlights for i in chosen], gain[chosen])
    return result


def _exposed(colours: Tensor, kind: tuple[bool, bool], highlights: list[float], gain: Tensor) -> Tensor:
    linear, logarithmic = kind
    if logarithmic:
        light = light_of(colours)
        return light * gain if linear else (encoded(light, True) * gain).clamp(max=1.0)
    if not linear:
        return (colours * gain).clamp(max=1.0)
    light = decoded(colours)
    if any(highlights):
        light = light + 10 * torch.tensor(highlights, device=colours.device).view(-1, 1, 1, 1) * (light - 0.7).clamp(min=0).square()
    return light * gain
