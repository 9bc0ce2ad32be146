"""ST-FAM: temporal feature alignment (TFA) and temporal feature fusion (TFF), without optical flow.

TFA predicts, for every pixel, where in the neighbour's feature map each tap of a 3×3 kernel should look (offsets) and how much it
counts (modulation), and gathers there: modulated deformable convolution, Zhu et al. 2019 (DCNv2). TFF weighs the aligned maps by
channel attention, then by spatial attention (Woo et al. 2018), and fuses them.
"""

from __future__ import annotations

import math
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import ConvUnit

TAPS = 9
REACH = 8.0  # feature pixels a tap may wander from its place


def sample(x: Tensor, shift: Tensor, *, origin: tuple[int, int] = (0, 0), beyond: str = "zeros") -> Tensor:
    """Read `x` at every pixel's own place plus a shift, bilinearly; outside it is zero, or the nearest pixel where `beyond` is "border".

    x: N×C×H×W; shift: N×(T·2)×h×w in feature pixels, (dy, dx) for each of T taps, of all of `x` or of the part of it that begins at
    `origin`, (row, column). Returns N×C×(T·h)×w float32, tap after tap.
    """
    n, _, height, width = x.shape
    h, w = shift.shape[-2:]
    taps = shift.shape[1] // 2
    shift = shift.float().reshape(n, taps, 2, h, w)
    rows = torch.arange(origin[0], origin[0] + h, device=x.device, dtype=torch.float32).view(1, 1, h, 1)
    columns = torch.arange(origin[1], origin[1] + w, device=x.device, dtype=torch.float32).view(1, 1, 1, w)
    y = (shift[:, :, 0] + rows + 0.5) * (2.0 / height) - 1.0
    x_ = (shift[:, :, 1] + columns + 0.5) * (2.0 / width) - 1.0
    grid = torch.stack([x_, y], -1).view(n, taps * h, w, 2)
    return F.grid_sample(x.float(), grid, mode="bilinear", padding_mode=beyond, align_corners=False)


def deformable_convolution(x: Tensor, offset: Tensor, modulation: Tensor, weight: Tensor, bias: Tensor, *, groups: int) -> Tensor:
    """Apply a modulated deformable 3×3 convolution, stride 1 (Zhu et al. 2019).

    x: N×C×H×W; offset: N×(groups·9·2)×H×W, (dy, dx) per tap; modulation: N×(groups·9)×H×W; weight: O×C×3×3. Each of the `groups` of
    channels has offsets of its own. Taps are gathered one at a time, so that what is read stays small.
    """
    n, c, h, w = x.shape
    offset = offset.float().reshape(n * groups, TAPS, 2, h, w)
    modulation = modulation.float().reshape(n * groups, TAPS, 1, h, w)
    maps, taps = x.float().reshape(n * groups, c // groups, h, w), weight.flatten(2)
    kernel = torch.tensor([(ky, kx) for ky in (-1.0, 0.0, 1.0) for kx in (-1.0, 0.0, 1.0)], device=x.device).view(TAPS, 2, 1, 1)
    total = bias.float().view(1, -1, 1).repeat(n, 1, h * w)
    for k in range(TAPS):
        read = sample(maps, offset[:, k] + kernel[k]).mul_(modulation[:, k])
        total += taps[..., k] @ read.view(n, c, -1)
    return total.view(n, -1, h, w).to(x.dtype)


class Alignment(nn.Module):
    """TFA: align a neighbour's features with the centre frame's."""

    def __init__(self, channels: int, *, groups: int = 2) -> None:
        super().__init__()
        self.groups = groups
        self.compare = nn.Sequential(ConvUnit(2 * channels, channels), ConvUnit(channels, channels))
        self.place = nn.Conv2d(channels, groups * TAPS * 3, 3, 1, 1)
        self.gather = nn.Conv2d(channels, channels, 3, 1, 1)

    def still(self) -> None:
        """Start from zero offsets and even weights, whatever the general initialisation did."""
        nn.init.zeros_(self.place.weight)
        assert self.place.bias is not None
        nn.init.zeros_(self.place.bias)

    def forward(self, neighbour: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Return the aligned neighbour, N×C×H×W, and its mean shift, N×2×H×W (dy, dx) in feature pixels."""
        n, _, h, w = centre.shape
        placed = self.place(self.compare(torch.cat([neighbour, centre], 1))).float().contiguous()
        offset, weight = placed.split([self.groups * TAPS * 2, self.groups * TAPS], 1)
        offset, weight = REACH * torch.tanh(offset / REACH), torch.sigmoid(weight)
        assert self.gather.bias is not None
        aligned = deformable_convolution(neighbour, offset, weight, self.gather.weight, self.gather.bias, groups=self.groups)
        aligned = aligned.to(centre.dtype).contiguous(memory_format=torch.channels_last)
        per_tap = offset.reshape(n, -1, 2, h, w)
        share = weight.unsqueeze(2)
        return aligned, (per_tap * share).sum(1) / share.sum(1).clamp(min=1e-4)

    def own(self, centre: Tensor) -> Tensor:
        """Pass the centre frame through the same kernel, unmoved."""
        out: Tensor = self.gather(centre)
        return out


def mean(x: Tensor, over: tuple[int, ...]) -> Tensor:
    """Return the mean over some dimensions, which stay; on a CPU `Tensor.mean` would copy bfloat16 as float32 first."""
    return x.sum(over, keepdim=True) / math.prod(x.shape[d] for d in over)


class Fusion(nn.Module):
    """TFF: weigh the aligned maps of t-1, t, t+1 by channel, then by place, and fuse them."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        joined = 3 * channels
        self.squeeze = nn.Conv2d(joined, channels, 1)
        self.excite = nn.Conv2d(channels, joined, 1)
        self.where = nn.Conv2d(2, 1, 7, 1, 3)
        self.fuse = ConvUnit(joined, outputs, kernel=1)

    def forward(self, before: Tensor, centre: Tensor, after: Tensor) -> Tensor:
        """Return N×outputs×H×W; the channel weights come from the whole frame, so tiles cannot disagree about them."""
        x = torch.cat([before, centre, after], 1)
        x = x * torch.sigmoid(self.excite(F.silu(self.squeeze(mean(x, (2, 3))))))
        highest = reduce(torch.maximum, x.chunk(3, 1)).amax(1, keepdim=True)
        x = x * torch.sigmoid(self.where(torch.cat([mean(x, (1,)), highest], 1)))
        out: Tensor = self.fuse(x)
        return out
