"""Stage 1: trimap propagation by cross-attention, without optical flow.

One weight-shared encoder sees key frames and target frames. Every position of the target is matched to all positions of the
references (the bounding keys and a small memory) and reads their values: the trimap there, the colours there, and what the network
wants to remember; then it looks closely around the best of them, see `bridge.models.local_attention`. A decoder turns what was read and
the target's own features into background / unknown / foreground.

    frame = network.encode(view)                       once per frame
    memory = network.remember(frame, view, classes)    for a key, or a solved frame
    logits = network.decode(frame, view, network.read(frame, keys, solved))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import ConvUnit, Down, ResidualUnit, Up, highest_near, initialise
from .local_attention import Closeup, LocalAttention, best_matches

STRIDE = 8  # pixels of the working view to a token
COARSEST = 32  # working views are multiples of it
TOKEN = 64  # length of a key, a query and a value
WAVES = 4  # spatial frequencies per axis in a token's position
CONTENT = TOKEN - 4 * WAVES
PATCH = 4 * 3  # trimap (or colour) at stride 4 inside a token: 2×2 places, 3 channels
CERTAIN = 0.45  # a class must be at least this probable to be called certain
LIKELIER = 1.6  # background's odds against what the network says; training weighs mistakes on unknown pixels the more
SURE, NEAR = 0.65, 8  # background must be this probable within so many working pixels of there
CORE = 6  # and part of a region of background that holds a square of so many working pixels to each side
FLOOR = 0.02  # probabilities are kept this far from 0 before their logarithm
AGREED = 0.3  # how much what was read from near counts, to begin with
DOUBT = 2.0  # what a place of a solved frame must match better by, in logits, to be read like one of a key


@dataclass(frozen=True)
class Frame:
    """What the encoder says of one frame: maps at strides 2, 4 and 8, the tokens' keys, N×(h·w)×TOKEN, and those at stride 4."""

    s2: Tensor
    s4: Tensor
    s8: Tensor
    tokens: Tensor
    places: Tensor


@dataclass(frozen=True)
class Memory:
    """A reference to read from: keys and values, both N×(h·w)×TOKEN, and the same from near."""

    keys: Tensor
    values: Tensor
    near: Closeup


@dataclass(frozen=True)
class Read:
    """What a target reads: from all tokens, N×TOKEN×h×w, and from near, trimap and colours at stride 2, N×3×4h×4w. All float32."""

    tokens: Tensor
    trimap: Tensor
    colours: Tensor


class PropagationNetwork(nn.Module):
    """The first stage; the decoder starts from what attention carried over and learns to sharpen it."""

    def __init__(self) -> None:
        super().__init__()
        self.to2 = ConvUnit(3, 24, stride=2)
        self.to4 = Down(24, 40)
        self.to8 = Down(40, 64, units=2)
        self.to16 = Down(64, 96, units=2)
        self.to32 = Down(96, 128, units=2)
        self.up16, self.up8 = Up(128, 96, 96), Up(96, 64, 96)
        self.key = nn.Conv2d(96, CONTENT, 3, 1, 1)
        self.value = nn.Sequential(ConvUnit(96 + 48, 64), nn.Conv2d(64, TOKEN - 2 * PATCH, 3, 1, 1))
        self.sharpness = nn.Parameter(torch.tensor(math.log(12.0)))
        self.locality = nn.Parameter(torch.full((WAVES,), 0.5))
        self.join8 = nn.Sequential(ConvUnit(96 + TOKEN + PATCH, 96), ResidualUnit(96))
        self.closer = LocalAttention(40, 96)
        self.join4, self.join2 = Up(96, 40 + 15, 48), Up(48, 24 + 12, 32)
        self.head = nn.Conv2d(32, 4, 3, 1, 1)
        self.trust = nn.Parameter(torch.tensor(1.0))
        initialise(self)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias[3:], AGREED)  # type: ignore[index]

    def encode(self, view: Tensor, *, place: Tensor | None = None) -> Frame:
        """Encode N×3×H×W views, 0..1, H and W multiples of 32.

        place: (h·w)×2 positions of the tokens, see `token_places`; by default those of a view that begins at the display's corner.
        """
        s2 = self.to2(view - 0.5)
        s4 = self.to4(s2)
        s8 = self.to8(s4)
        s16 = self.to16(s8)
        top = self.up8(self.up16(self.to32(s16), s16), s8)
        h, w = top.shape[-2:]
        if place is None:
            place = token_places(h, w, long_side=STRIDE * max(h, w), device=view.device)
        with torch.autocast(view.device.type, enabled=False):
            content = F.normalize(F.conv2d(top.float(), self.key.weight.float(), self.key.bias, padding=1), dim=1)
            content = content.flatten(2).transpose(1, 2) * torch.exp(0.5 * self.sharpness)
            waves = place[:, :, None] * (math.pi * 2.0 ** torch.arange(WAVES, device=view.device))
            waves = torch.cat([waves.sin(), waves.cos()], 1) * F.softplus(self.locality)
            tokens = torch.cat([content, waves.flatten(1).expand(len(content), -1, -1)], -1)
        return Frame(s2, s4, top, tokens, self.closer.keys(s4, top))

    def remember(self, frame: Frame, view: Tensor, classes: Tensor) -> Memory:
        """Make a reference of a frame. classes: N×3×H×W probabilities of background, unknown, foreground at the view's size."""
        fine = F.pixel_unshuffle(F.avg_pool2d(classes, 2), 4)
        learned = self.value(torch.cat([frame.s8, fine.to(frame.s8.dtype)], 1)).float()
        carried = [F.pixel_unshuffle(F.avg_pool2d(x, 4), 2) for x in (classes, view)]
        near = torch.cat([F.pixel_unshuffle(F.avg_pool2d(x.float(), 2), 2) for x in (classes, view)], 1)
        return Memory(frame.tokens, torch.cat([*carried, learned], 1).flatten(2).transpose(1, 2), Closeup(frame.places, near))

    def read(self, frame: Frame, keys: Sequence[Memory], solved: Sequence[Memory] = ()) -> Read:
        """Return what the target reads from key frames and from solved ones, which count as doubtful."""
        memories = [*keys, *solved]
        places, values = (torch.cat([getattr(m, name) for m in memories], 1)[:, None] for name in ("keys", "values"))
        doubt = None
        if solved:
            painted = sum(m.keys.shape[1] for m in keys)
            doubt = -DOUBT * (torch.arange(places.shape[2], device=places.device) >= painted).to(places.dtype)
            doubt = doubt.expand(1, 1, frame.tokens.shape[1], -1)
        with torch.autocast(places.device.type, enabled=False):
            read = F.scaled_dot_product_attention(frame.tokens[:, None], places, values, attn_mask=doubt, scale=1.0)
            kinds = [k for k in (keys, solved) if k]
            matched = [best_matches(frame.tokens, torch.cat([m.keys for m in kind], 1)) for kind in kinds]
            near = self.closer(frame.places, [([m.near for m in kind], best) for kind, best in zip(kinds, matched, strict=True)])
        h, w = frame.s8.shape[-2:]
        return Read(read[:, 0].transpose(1, 2).unflatten(2, (h, w)), *near)

    def decode(self, frame: Frame, view: Tensor, read: Read) -> Tensor:
        """Return logits of background, unknown, foreground, N×3×H×W float32.

        The trimaps that were read, from all tokens and from near, are where it begins; of the latter the head says how much they count.
        """
        trimap, colour = (F.pixel_shuffle(x, 2) for x in read.tokens[:, : 2 * PATCH].split(PATCH, 1))
        differs, nearby = F.avg_pool2d(view, 4) - colour, F.avg_pool2d(view, 2) - read.colours
        x = self.join8(torch.cat([frame.s8, read.tokens.to(frame.s8.dtype), F.pixel_unshuffle(differs, 2).to(frame.s8.dtype)], 1))
        carried, closely = ((t.clamp(0.0, 1.0) + FLOOR).log() for t in (trimap, read.trimap))
        seen = F.avg_pool2d(torch.cat([read.trimap, nearby.abs()], 1), 2)
        x = self.join4(x, torch.cat([frame.s4, trimap, differs, differs.abs(), seen], 1))
        finer = F.interpolate(carried, scale_factor=2.0, mode="bilinear")
        x = self.join2(x, torch.cat([frame.s2, finer.to(x.dtype), closely, nearby, nearby.abs()], 1))
        with torch.autocast(x.device.type, enabled=False):
            logits, counts = F.conv2d(x.float(), self.head.weight.float(), self.head.bias, padding=1).split([3, 1], 1)
            return F.interpolate(logits + self.trust * finer.float() + counts * closely, scale_factor=2.0, mode="bilinear")


def calibrated(probabilities: Tensor) -> Tensor:
    """Return N×3×H×W probabilities of which classes are decided: background LIKELIER than the network's, the sum 1 again."""
    odds = torch.cat([LIKELIER * probabilities[:, :1], probabilities[:, 1:]], 1)
    return odds / odds.sum(1, keepdim=True)


def certain_classes(probabilities: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Return N×1×H×W uint8 classes, 0 background, 1 unknown, 2 foreground, at a size (height, width), from N×3×h×w probabilities.

    They are `calibrated` first. Background must be more probable still near by (hysteresis, Canny 1986), and near by fill a square,
    so that neither a faint hole nor a small one is cut into a subject. Where it would touch foreground, the pixels between
    become unknown: no edge is harder than a working pixel.
    """
    certain = calibrated(probabilities)[:, 0::2]
    background, foreground = (certain >= CERTAIN).float().split(1, 1)
    background = background * (highest_near(certain[:, :1], NEAR) >= SURE)
    core = 1.0 - highest_near(1.0 - background, CORE)
    background = background * highest_near(core, CORE + NEAR)
    touch = F.max_pool2d(background, 3, 1, 1) * F.max_pool2d(foreground, 3, 1, 1) > 0
    certain = certain * torch.cat([background, foreground], 1) * ~touch
    full = (F.interpolate(certain.float(), size=size, mode="bilinear") >= CERTAIN).to(torch.uint8)
    return 1 - full[:, 0:1] + full[:, 1:2]


def token_places(
    h: int, w: int, *, long_side: float, origin: tuple[float, float] = (0.0, 0.0), device: torch.device | str = "cpu"
) -> Tensor:
    """Return (h·w)×2 positions (x, y) of token centres in display coordinates, in units of the display's long side.

    long_side and origin (x, y) are in pixels of the working view; origin is where the view begins in the display.
    """
    y = (torch.arange(h, device=device) + 0.5) * STRIDE + origin[1]
    x = (torch.arange(w, device=device) + 0.5) * STRIDE + origin[0]
    return torch.stack([x.expand(h, w), y[:, None].expand(h, w)], -1).view(-1, 2).float() / long_side
