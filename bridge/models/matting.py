"""Stage 2: ST-FAM matting. Plate and trimap of t-1, t, t+1 in, alpha of t out.

Coarse levels (strides 4 to 32) see the whole frame on a view reduced by four; ST-FAM sits there, so every global statistic is
computed once per frame. Fine levels (strides 1 to 4) run at full resolution, on any tile whose halo covers their receptive field.
Both are shown the neighbours where the motion between the frames leads; TFA then looks for what is left of it.

    features = network.encode(reduced(inputs))                             once per frame, kept for its neighbours
    context = network.fuse(before, centre, after, motion)                  the whole frame, at stride 4
    beside = neighbouring(shared(earlier), shared(later), motion)          any tile
    alpha = network.refine(inputs[tile], beside[tile], context[tile])      any tile

Motion, N×4×H×W float32, says where every pixel of the centre frame lies in its neighbours: (dy, dx) to the frame before and to the one
after, in pixels. It is searched on `guide`; None where nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .inputs import CHANNELS, CONFIDENCE, FIRST_LOOK, PRIOR_ALPHA
from .layers import AddedUnit, ConvUnit, Down, ResidualUnit, Up, initialise
from .temporal import Alignment, Fusion, sample

REDUCTION = 4  # full-resolution pixels to a side of a pixel of the reduced view
DETAILED = (0, 1, 2, PRIOR_ALPHA)  # inputs of which the reduced view keeps single pixels
REDUCED = CHANNELS + len(DETAILED) * REDUCTION**2  # channels of the reduced view
SHARED = (0, 1, 2, PRIOR_ALPHA, CONFIDENCE, FIRST_LOOK)  # inputs that the fine levels see of the neighbours too
LUMA = (0.2126, 0.7152, 0.0722)  # Rec.709
COARSEST = 32  # stride of the deepest level: regions are multiples of it
HALO = 24  # full-resolution pixels around a tile; covers the receptive field of the fine levels (tested)
RIM = 4  # of them, what the levels finer than stride 4 look at
STRETCH = 0.02  # the sigmoid is stretched by this much beyond 0 and 1, so that both can be reached


@dataclass(frozen=True)
class Features:
    """What is kept of one frame: maps at strides 4, 8, 16 and 32 of the plate."""

    s4: Tensor
    s8: Tensor
    s16: Tensor
    s32: Tensor


def trimmed(maps: Tensor, edge: int) -> Tensor:
    """Leave out `edge` pixels on every side of N×C×H×W."""
    return maps[..., edge:-edge, edge:-edge] if edge else maps


def reduced(inputs: Tensor) -> Tensor:
    """Reduce full-resolution inputs, N×CHANNELS×H×W, by four: N×REDUCED×(H/4)×(W/4).

    First the mean of every input over 4×4 pixels; then by how much view and prior differ from their mean in each of the 16, which is all
    that is left of threads and strands narrower than that.
    """
    means = F.avg_pool2d(inputs, REDUCTION)
    chosen = list(DETAILED)
    parts = F.pixel_unshuffle(inputs[:, chosen], REDUCTION).unflatten(1, (len(chosen), REDUCTION**2))
    return torch.cat([means, parts.sub_(means[:, chosen].unsqueeze(2)).flatten(1, 2)], 1)


def shared(inputs: Tensor) -> Tensor:
    """Return what a frame shows its neighbours, pixel by pixel, N×6×H×W: view, the prior's alpha and confidence, a first look."""
    return inputs[:, list(SHARED)]


def guide(inputs: Tensor) -> Tensor:
    """Return what motion is searched on, N×H×W uint8: the luma of the view. Not the prior too: where it flickers, motion would."""
    luma = (inputs[:, :3] * inputs.new_tensor(LUMA).view(3, 1, 1)).sum(1)
    return (255.0 * luma + 0.5).clamp(0.0, 255.0).to(torch.uint8)


def neighbouring(before: Tensor, after: Tensor, motion: Tensor | None, *, origin: tuple[int, int] = (0, 0)) -> Tensor:
    """Return N×12×h×w, what the frames before and after show, each N×6×H×W, moved to where the centre frame has it.

    motion: N×4×h×w, of the whole frame or of a tile that begins at `origin`, (row, column).
    """
    if motion is not None:
        before, after = _led(before, motion[:, :2], origin=origin), _led(after, motion[:, 2:], origin=origin)
    return torch.cat([before, after], 1)


class MattingNetwork(nn.Module):
    """The second stage; zero-initialised head, so that it starts as the colour prior and learns to correct it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvUnit(CHANNELS, 32)
        self.detail = nn.Sequential(ConvUnit(REDUCED - CHANNELS, 48), ConvUnit(48, 32))
        self.to8 = nn.Sequential(Down(64, 64), AddedUnit(64))
        self.to16 = nn.Sequential(Down(64, 96), AddedUnit(96), AddedUnit(96))
        self.to32 = nn.Sequential(Down(96, 128, units=2), AddedUnit(128))
        self.slim4, self.slim8, self.slim16 = (nn.Conv2d(a, b, 1) for a, b in ((64, 16), (64, 32), (96, 48)))
        self.align8, self.align16 = Alignment(32), Alignment(48)
        self.fuse4, self.fuse8 = Fusion(16, 32), Fusion(32, 64)
        self.fuse16, self.fuse32 = Fusion(48, 96), Fusion(128, 128)
        self.up16, self.up8, self.up4 = Up(128, 192, 96), Up(96, 128, 64), Up(64, 96, 48)
        self.again8 = AddedUnit(64)
        self.fine1, self.three1 = ConvUnit(CHANNELS, 16), ConvUnit(3 * len(SHARED), 16)
        self.fine2, self.three2 = (nn.Sequential(ConvUnit(16, 32, stride=2), ConvUnit(32, 32)) for _ in range(2))
        self.fine4 = ConvUnit(64, 48, stride=2)
        self.join4 = nn.Sequential(ConvUnit(96, 64), ResidualUnit(64))
        self.join2, self.join1 = Up(64, 64, 32), Up(32, 32, 16)
        self.head = nn.Conv2d(16, 1, 3, 1, 1)
        initialise(self)
        for alignment in (self.align8, self.align16):
            alignment.still()
        nn.init.zeros_(self.head.weight)

    def encode(self, reduced_inputs: Tensor) -> Features:
        """Encode one frame: N×REDUCED×(H/4)×(W/4), H and W multiples of 32."""
        means, parts = reduced_inputs.split([CHANNELS, REDUCED - CHANNELS], 1)
        s4 = torch.cat([self.stem(means), self.detail(parts)], 1)
        s8 = self.to8(s4)
        s16 = self.to16(s8)
        return Features(s4, s8, s16, self.to32(s16))

    def fuse(self, before: Features, centre: Features, after: Features, motion: Tensor | None) -> Tensor:
        """Align and fuse three frames of one region; return the context of the centre frame, N×48×(H/4)×(W/4)."""
        frames = (before, centre, after)
        m16, _ = self._fused(self.align16, self.fuse16, _met([self.slim16(f.s16) for f in frames], motion, 16))
        m8, shifts = self._fused(self.align8, self.fuse8, _met([self.slim8(f.s8) for f in frames], motion, 8))
        b4, c4, a4 = _met([self.slim4(f.s4) for f in frames], motion, 4)
        warped = [_warped(m, shift) for m, shift in zip((b4, a4), shifts, strict=True)]
        m4 = self.fuse4(warped[0], c4, warped[1])
        x = self.fuse32(*_met([f.s32 for f in frames], motion, 32))
        x = self.up16(x, torch.cat([m16, centre.s16], 1))
        x = self.again8(self.up8(x, torch.cat([m8, centre.s8], 1)))
        context: Tensor = self.up4(x, torch.cat([m4, centre.s4], 1))
        return context

    @staticmethod
    def _fused(align: Alignment, fuse: Fusion, maps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        before, centre, after = maps
        (b, shift_b), (a, shift_a) = align(before, centre), align(after, centre)
        return fuse(b, align.own(centre), a), [shift_b, shift_a]

    def refine(self, inputs: Tensor, beside: Tensor, context: Tensor, *, halo: int = 0) -> Tensor:
        """Return alpha, N×1×H×W float32, of a tile with H and W multiples of 4.

        inputs: N×CHANNELS×H×W and beside: N×12×H×W (see `neighbouring`) at full resolution, context: the same tile at stride 4, all with
        `halo` full-resolution pixels around the tile, a multiple of 4; none where the tile is the whole frame. Levels finer than stride 4
        leave out what is not looked at.
        """
        own, three = self.fine1(inputs), self.three1(torch.cat([shared(inputs), beside], 1))
        f1, f2 = torch.cat([own, three], 1), torch.cat([self.fine2(own), self.three2(three)], 1)
        x = self.join4(torch.cat([self.fine4(f2), context], 1))
        rim = min(halo, RIM)
        x, f2, f1 = (trimmed(m, (halo - rim) // stride) for m, stride in ((x, 4), (f2, 2), (f1, 1)))
        x = self.join1(self.join2(x, f2), f1)
        with torch.autocast(x.device.type, enabled=False):
            change = F.conv2d(x.float(), self.head.weight.float(), self.head.bias.float(), padding=1)  # type: ignore[union-attr]
            prior = trimmed(inputs[:, PRIOR_ALPHA : PRIOR_ALPHA + 1], halo).float()
            return corrected(prior, trimmed(change, rim))

    def alone(self, inputs: Tensor) -> Tensor:
        """Return alpha, N×1×H×W float32, of whole frames each by itself, its neighbours replaced by it; inputs: N×CHANNELS×H×W."""
        features, own = self.encode(reduced(inputs)), shared(inputs)
        return self.refine(inputs, neighbouring(own, own, None), self.fuse(features, features, features, None))

    def forward(self, inputs: Tensor, motion: Tensor | None) -> Tensor:
        """Return alpha of all but the first and last frame, N×(T-2)×1×H×W; whole regions, as in training.

        inputs: N×T×CHANNELS×H×W; motion: N×(T-2)×4×H×W.
        """
        n, t = inputs.shape[:2]
        motion = None if motion is None else motion.flatten(0, 1)
        small = self.encode(reduced(inputs.flatten(0, 1)))
        maps = [m.unflatten(0, (n, t)) for m in (small.s4, small.s8, small.s16, small.s32)]
        before, centre, after = (Features(*(m[:, i : i + t - 2].flatten(0, 1) for m in maps)) for i in range(3))
        earlier, own, later = (inputs[:, i : i + t - 2].flatten(0, 1) for i in range(3))
        beside = neighbouring(shared(earlier), shared(later), motion)
        return self.refine(own, beside, self.fuse(before, centre, after, motion)).unflatten(0, (n, t - 2))


def _met(maps: list[Tensor], motion: Tensor | None, stride: int) -> list[Tensor]:
    """Move the neighbours' maps, at a stride, of three frames to where the centre frame has what they show."""
    if motion is None:
        return maps
    before, centre, after = maps
    shift = F.avg_pool2d(motion, stride) / stride
    return [_led(before, shift[:, :2]), centre, _led(after, shift[:, 2:])]


def _led(maps: Tensor, shift: Tensor, *, origin: tuple[int, int] = (0, 0)) -> Tensor:
    """Read a neighbour's maps where a shift, N×2×h×w in their pixels, leads."""
    return sample(maps, shift, origin=origin).to(maps.dtype).contiguous(memory_format=torch.channels_last)


def _warped(maps: Tensor, shift: Tensor) -> Tensor:
    """Move a map by a shift found at half its resolution, N×2×(H/2)×(W/2), in that resolution's pixels."""
    finer = 2.0 * F.interpolate(shift, scale_factor=2.0, mode="bilinear")
    return _led(maps, finer)


def corrected(prior_alpha: Tensor, change: Tensor) -> Tensor:
    """Add a change in logits to the prior's alpha: no change gives the prior back, and 0 and 1 can both be reached and left."""
    base = torch.logit((prior_alpha + STRETCH) / (1.0 + 2.0 * STRETCH))
    return (torch.sigmoid(base + change) * (1.0 + 2.0 * STRETCH) - STRETCH).clamp(0.0, 1.0)


def exact_where_certain(alpha: Tensor, classes: Tensor) -> Tensor:
    """Set alpha to exactly 0 where the trimap is background and 1 where it is foreground. classes: 0, 1 unknown, 2."""
    return torch.where(classes == 1, alpha, (classes == 2).to(alpha.dtype))
