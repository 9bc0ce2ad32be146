"""The colour prior: the best nearby foreground and background colours of every unknown pixel and the alpha they imply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from .guided import guided_plane
from .layers import highest_near
from .nearest import BACKGROUND, FOREGROUND, UNKNOWN, distances, nearest_known
from .sampling import ALIKE, Pixels, best_pairs, grown, perceptual_weight, shared, unknown_pixels

__all__ = ["GUESSES", "Explained", "Prior", "averaged", "colour_prior", "distances", "explained", "plain_pixels", "scarce"]

GUESSES = len(ALIKE)  # searches of which the mean is taken
MARGIN = 64  # pixels around the unknown region that are searched
ALIGNED = 192  # the searched part begins at multiples of this, so that a pixel's search does not depend on where the part begins
UNLIKE = 0.05  # part of the unknown region that stands for a class the trimap does not have
SCARCE = 0.03  # a class with fewer certain pixels than this share of the unknown ones is looked for among those
PLAIN = 0.8  # alpha of a first look from which on a pixel is plainly opaque, and plainly clear from as near to 0
ENOUGH, BESIDE = 0.01, 1 / 40  # share of the unknown that must be so plain; how near its opposite counts too, of the picture's short side
BINS, RARE = 24, 1e-5  # of a colour histogram, to a side; a share of the pixels that says little
BELL = (0.0044, 0.054, 0.242, 0.3991, 0.242, 0.054, 0.0044)  # what smooths it: a normal distribution, one bin wide
LEAST = 0.02  # trust of a pair that explains nothing
ERROR_SCALE = 64.0  # a perceptual colour error of 1/64 costs a pair's trust a factor e
CAMERA = 1.25  # display-referred values mix in this power: between 1, as layers are laid over each other, and the light a lens mixes
ROUNDS = 2  # of lending pairs to the neighbours
CELL, FOLLOW, EASE = 4, 1, 3e-6  # the guided filter: cell in full-resolution pixels, radius in cells, regularisation


@dataclass(frozen=True)
class Explained:
    """What colours alone say of the M unknown pixels of a batch; alpha, confidence, separation: M, foreground, background: 3×M.

    The pair is in the plate's domain; confidence is how well it explains the pixel, separation its perceptual colour distance, 0..1.
    """

    pixels: Pixels
    alpha: Tensor
    foreground: Tensor
    background: Tensor
    confidence: Tensor
    separation: Tensor

    def land(self, into: Tensor, values: Tensor, *, channel: int = 0) -> None:
        """Set C channels of `into`, N×…×H×W contiguous, from `channel` on, to `values`, C×M, at the unknown pixels."""
        size = self.pixels.height * self.pixels.width
        start = self.pixels.place + self.pixels.frame * (size * (into.shape[1] - 1))
        for number, row in enumerate(values, channel):
            into.view(-1)[number * size :][start] = row


@dataclass(frozen=True)
class Prior:
    """What colours alone say of whole frames. All float32, N×C×H×W.

    alpha: 1 channel, 0..1, exactly 0 and 1 where the trimap is certain.
    foreground, background: 3 channels, same domain as the plate's colours; the plate's own colour where the trimap is certain.
    confidence: 1 channel, 0..1, how well the pair explains the pixel; 1 where the trimap is certain.
    separation: 1 channel, 0..1, perceptual colour distance of the pair; 0 where the trimap is certain.
    """

    alpha: Tensor
    foreground: Tensor
    background: Tensor
    confidence: Tensor
    separation: Tensor


def colour_prior(colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int = 1, plain: Tensor | None = None) -> Prior:
    """Explain the unknown pixels and lay the answers over what is certain; arguments as for `explained`."""
    found = explained(colours, classes, linear=linear, step=step, plain=plain)
    certain = (classes == FOREGROUND).float().contiguous()

    def laid(over: Tensor, values: Tensor) -> Tensor:
        result = over.clone(memory_format=torch.contiguous_format)
        found.land(result, values)
        return result

    return Prior(
        laid(certain, found.alpha[None]),
        laid(colours, found.foreground),
        laid(colours, found.background),
        laid(torch.ones_like(certain), found.confidence[None]),
        laid(torch.zeros_like(certain), found.separation[None]),
    )


def explained(
    colours: Tensor, classes: Tensor, *, linear: Tensor | bool, step: int = 1, plain: Tensor | None = None, guess: int | None = None
) -> Explained:
    """Sample colour pairs for every unknown pixel, keep the best, smooth them along the plate.

    colours: N×3×H×W float32, ≥ 0, scene-linear, highlights unclipped, or display-referred 0..1, which are taken to mix in the power CAMERA.
    classes: N×1×H×W integer, 0 background, 1 unknown, 2 foreground. linear: whether `colours` are scene-linear, one bool or N bools;
    colour errors are then weighed by the slope of a square-root encoding. step: 2 searches at half resolution.
    plain: what stands for a scarce class, as `plain_pixels` returns it. guess: which of GUESSES to return in place of their mean.
    A frame without certain foreground or background otherwise borrows the colours most particular to the unknown in their place.
    """
    linear = torch.as_tensor(linear, device=colours.device).expand(colours.shape[0])
    classes = classes.to(torch.uint8)
    pixels = unknown_pixels(classes[:, 0] == UNKNOWN)
    if not pixels.place.numel():
        none = colours.new_empty(3, 0)
        return Explained(pixels, none[0], none, none, none[0], none[0])
    rows, columns = _around(classes, pixels)
    near, marks = _mixing(colours[..., rows, columns], linear.view(-1, 1, 1, 1)), classes[..., rows, columns]
    near_plain = None if plain is None else plain[..., rows, columns]
    if step > 1:
        near, marks = F.avg_pool2d(_even(near, step), step), _agreed(_even(marks, step), step)
        near_plain = None if near_plain is None else _agreed(_even(near_plain, step), step)
    alike = ALIKE if guess is None else ALIKE[guess : guess + 1]
    searched = _searched(near, marks, linear, near_plain, alike=alike, step=step)
    return averaged([_finished(colours, pixels, linear, found, origin=(rows.start, columns.start), step=step) for found in searched])


def averaged(guesses: Sequence[Explained]) -> Explained:
    """Return the mean of guesses about the same pixels."""

    def mean(name: str) -> Tensor:
        return torch.stack([getattr(guess, name) for guess in guesses]).mean(0)

    names = (field.name for field in fields(Explained) if field.name != "pixels")
    return Explained(guesses[0].pixels, **{name: mean(name) for name in names})


def _around(classes: Tensor, pixels: Pixels) -> tuple[slice, slice]:
    """Return the part of the frame that is searched: the unknown region and what is near it, or all where that would lose a class."""
    part = []
    for place, length in ((pixels.row, pixels.height), (pixels.column, pixels.width)):
        low, high = int(place.min()) - MARGIN, int(place.max()) + 1 + MARGIN
        part.append(slice(max(0, low) // ALIGNED * ALIGNED, min(length, high)))
    near = classes[..., part[0], part[1]]
    kept = all(torch.equal(end(near), end(classes)) for end in (_lowest, _highest))
    return (part[0], part[1]) if kept else (slice(0, pixels.height), slice(0, pixels.width))


def _lowest(classes: Tensor) -> Tensor:
    return classes.flatten(1).amin(1)


def _highest(classes: Tensor) -> Tensor:
    return classes.flatten(1).amax(1)


def _even(values: Tensor, step: int) -> Tensor:
    height, width = values.shape[-2:]
    if height % step == width % step == 0:
        return values
    return F.pad(values.float(), (0, -width % step, 0, -height % step), mode="replicate").to(values.dtype)


def _agreed(classes: Tensor, step: int) -> Tensor:
    """Return classes of squares of `step` pixels, certain only where all agree; classes: uint8, N×1×H×W with H and W multiples of step."""
    parts = [classes[..., y::step, x::step] for y in range(step) for x in range(step)]
    high, low = parts[0], parts[0]
    for part in parts[1:]:
        high, low = torch.maximum(high, part), torch.minimum(low, part)
    return torch.where(high == low, high, UNKNOWN)


def scarce(classes: Tensor, known: int) -> Tensor:
    """Return N bool, the frames in which the certain pixels of a class are few against the unknown ones; classes: N×…"""
    return _supply(classes, known) < 1.0


def _supply(classes: Tensor, known: int) -> Tensor:
    """Return N, how many pixels of a class are certain: 0 where none is, 1 from where on it is not scarce or nothing is unknown."""
    certain, unknown = ((classes == kind).flatten(1).sum(1) for kind in (known, UNKNOWN))
    return torch.where(unknown > 0, certain / (SCARCE * unknown).clamp(min=SCARCE), 1.0).clamp(max=1.0)


def plain_pixels(classes: Tensor, guess: Tensor) -> Tensor:
    """Return N×1×H×W uint8: foreground and background where an unknown pixel can stand for the class, if that is scarce; else unknown.

    classes: N×1×H×W; guess: alpha as a first look has it, the same shape. Pixels that it calls plainly opaque or clear, where they are
    enough, the plainer the less scarce the class is; and of the opposite class plain pixels near those: the gaps of a net, not the
    faint parts of a veil.
    """
    unknown = classes == UNKNOWN
    least = ENOUGH * unknown.flatten(1).sum(1)
    beside = max(1, round(BESIDE * min(classes.shape[-2:])))
    opaque, clear = unknown & (guess > PLAIN), unknown & (guess < 1.0 - PLAIN)
    bar = [PLAIN + (1.0 - PLAIN) * _supply(classes, known).view(-1, 1, 1, 1) for known in (FOREGROUND, BACKGROUND)]
    wanted = [w & (w.flatten(1).sum(1) > least).view(-1, 1, 1, 1) for w in (opaque & (guess > bar[0]), clear & (1.0 - guess > bar[1]))]
    result = torch.full_like(classes, UNKNOWN, dtype=torch.uint8)
    result[wanted[0] | (opaque & (highest_near(wanted[1].float(), beside) > 0))] = FOREGROUND
    result[wanted[1] | (clear & (highest_near(wanted[0].float(), beside) > 0))] = BACKGROUND
    return result


def _completed(flat: Tensor, classes: Tensor, linear: Tensor, plain: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the known foreground and background, N×H×W bool, never empty in a frame that has unknown pixels; `plain` counts as known."""
    known_f, known_b = classes == FOREGROUND, classes == BACKGROUND
    if plain is not None:
        known_f, known_b = known_f | (plain == FOREGROUND), known_b | (plain == BACKGROUND)
    lacking = ((classes == UNKNOWN).flatten(1).any(1) & ~(known_f.flatten(1).any(1) & known_b.flatten(1).any(1))).nonzero()[:, 0]
    for n in lacking.tolist():
        view = flat.view(3, *classes.shape)[:, n].permute(1, 2, 0)
        view = view.clamp(min=0.0).sqrt() if bool(linear[n]) else view
        if not known_f[n].any() and not known_b[n].any():
            known_b[n] = _border(known_b[n])
        if not known_f[n].any():
            known_f[n] = _least_alike(view, known_b[n], (classes[n] == UNKNOWN) & ~known_b[n])
        if not known_b[n].any():
            known_b[n] = _least_alike(view, known_f[n], (classes[n] == UNKNOWN) & ~known_f[n])
    return known_f, known_b


def _border(frame: Tensor) -> Tensor:
    border = torch.ones_like(frame)
    border[1:-1, 1:-1] = False
    return border


def _least_alike(view: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
    """Return the unknown pixels whose colours are most particular to the unknown; view: H×W×3; known, unknown, result: H×W bool.

    What the unknown holds besides the class that is known is the other one, so its colours are those that are more frequent among the
    unknown pixels than among the known (a ratio of two smoothed histograms, h_unknown / (h_unknown + h_known)).
    """
    colours = F.avg_pool2d(F.pad(view.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0].clamp(0.0, 1.0)
    red, green, blue = (colours * (BINS - 1) + 0.5).long()
    place = (red * BINS + green) * BINS + blue
    there, here = (_frequencies(place[which]) for which in (known, unknown))
    particular = (here / (here + there + RARE))[place]
    ranked = torch.sort(torch.where(unknown, particular, -1.0).flatten(), descending=True, stable=True)[1]
    chosen = torch.zeros_like(unknown)
    chosen.view(-1)[ranked[: max(1, int(UNLIKE * int(unknown.sum())))]] = True
    return chosen


def _frequencies(places: Tensor) -> Tensor:
    """Return the smoothed share of each of BINS³ colours among the given ones."""
    counts = torch.bincount(places, minlength=BINS**3).float().view(1, 1, BINS, BINS, BINS)
    for dim in (2, 3, 4):
        kernel = torch.tensor(BELL, device=counts.device).view([-1 if d == dim else 1 for d in range(5)])
        around = [len(BELL) // 2 if d == dim else 0 for d in (4, 3, 2) for _ in range(2)]
        with torch.autocast(counts.device.type, enabled=False):
            counts = F.conv3d(F.pad(counts, around, mode="replicate"), kernel)
    return counts.flatten() / max(1, len(places))


def _searched(
    colours: Tensor, classes: Tensor, linear: Tensor, plain: Tensor | None, *, alike: Sequence[float], step: int
) -> list[tuple[Tensor, Tensor]]:
    """Search pairs for the unknown pixels and smooth them.

    Returns of each guess mean foreground and background, N×6×h×w, and a plane per cell.
    The plane, N×4×…, is slope 3 and offset 1: alpha is slope · guide + offset, the guide being the colours as `_guide` shows them.
    There is a guess for each distance at which what is known grows: where colours hardly tell, it is a toss-up whether a pixel is joined to
    what is known or explained by a pair, and it falls differently from frame to frame.
    """
    unknown = classes[:, 0] == UNKNOWN
    flat = colours.transpose(0, 1).reshape(3, -1)
    known = _completed(flat, classes[:, 0], linear, None if plain is None else plain[:, 0])
    weight = perceptual_weight(colours.transpose(0, 1), linear.view(-1, 1, 1))
    guide = _guide(colours, linear)
    sides = grown(*known, flat, weight.flatten(), alike=alike, step=step)
    return [_guessed(flat, weight, guide, unknown, *joined, step=step) for joined in sides]


def _guessed(
    flat: Tensor, weight: Tensor, guide: Tensor, unknown: Tensor, grown_f: Tensor, grown_b: Tensor, *, step: int
) -> tuple[Tensor, Tensor]:
    """Return pair and plane, see `_searched`, as what is known has grown; flat: 3×P, the colours; weight, the masks: N×h×w."""
    wanted = unknown & ~(grown_f | grown_b)
    pixels = unknown_pixels(wanted)
    alpha, trust = (grown_f & ~grown_b).float()[:, None], torch.ones_like(weight)[:, None]
    pair = torch.cat([flat, flat])
    if pixels.place.numel():
        heavy = weight.flatten()[pixels.place]
        pairs = best_pairs(pixels, flat, heavy, *nearest_known([grown_f, grown_b], wanted=wanted), step=step)
        for _ in range(ROUNDS):
            pairs = shared(pixels, flat, heavy, pairs, step=step)
        for row, values in zip(pair, [*pairs.foreground, *pairs.background], strict=True):
            row[pixels.place] = values
        alpha.view(-1)[pixels.place] = pairs.alpha
        trust.view(-1)[pixels.place] = torch.exp(-pairs.error * ERROR_SCALE)
    trusted = torch.where(wanted[:, None], LEAST + trust, 1.0)
    plane = guided_plane(guide, alpha, trusted, cell=max(1, CELL // step), radius=FOLLOW, ease=EASE)
    return pair.view(6, *unknown.shape).transpose(0, 1), plane


def _guide(colours: Tensor, linear: Tensor) -> Tensor:
    return torch.where(linear.view(-1, 1, 1, 1), colours.clamp(min=0.0).sqrt(), colours)


def _finished(
    colours: Tensor, pixels: Pixels, linear: Tensor, found: tuple[Tensor, Tensor], *, origin: tuple[int, int], step: int
) -> Explained:
    """Read what was found, fields which begin at `origin`, at every unknown pixel of the full frame and explain its own colour by them."""
    size = pixels.height * pixels.width
    start = pixels.place + pixels.frame * (2 * size)
    light = linear[pixels.frame]
    here = _mixing(torch.stack([colours.reshape(-1)[channel * size :].index_select(0, start) for channel in range(3)]), light)
    shown = torch.where(light, here.clamp(min=0.0).sqrt(), here)
    pair = _read(found[0], pixels, origin=origin, cell=step)
    plane = _read(found[1], pixels, origin=origin, cell=step * max(1, CELL // step))
    alpha = ((plane[:3] * shown).sum(0) + plane[3]).clamp_(0.0, 1.0)
    scale = perceptual_weight(here, light)
    span = (pair[:3] - pair[3:]) * scale
    error = ((here - pair[3:]) * scale - alpha * span).square().sum(0).sqrt_()
    separation = span.square().sum(0).sqrt_().clamp_(max=1.0)
    foreground, background = (_mixing(side, light, power=1 / CAMERA) for side in (pair[:3], pair[3:]))
    return Explained(pixels, alpha, foreground, background, torch.exp(-error * 16.0), separation)


def _mixing(colours: Tensor, linear: Tensor, *, power: float = CAMERA) -> Tensor:
    """Return colours as they mix: scene-linear ones as they are, display-referred ones in a power; linear: bool, broadcastable."""
    return colours if bool(linear.all()) else torch.where(linear, colours, colours.clamp(min=0.0) ** power)


def _read(field: Tensor, pixels: Pixels, *, origin: tuple[int, int], cell: int) -> Tensor:
    """Return C×M, a field that begins at `origin` and has one value per square of `cell` pixels, read at full-resolution pixels."""
    height, width = field.shape[-2:]
    row, column = pixels.row - origin[0], pixels.column - origin[1]
    if cell == 1:
        flat, place = field.transpose(0, 1).reshape(field.shape[1], -1), (pixels.frame * height + row) * width + column
        return torch.stack([channel.index_select(0, place) for channel in flat])
    y, x = ((p + 0.5) / (cell * n) * 2.0 - 1.0 for p, n in ((row, height), (column, width)))
    grid = torch.stack([x, y], -1)
    rows = []
    for n in range(field.shape[0]):
        places = grid[pixels.frame == n].view(1, 1, -1, 2)
        rows.append(F.grid_sample(field[n : n + 1], places, padding_mode="border", align_corners=False)[0, :, 0])
    return torch.cat(rows, 1)
