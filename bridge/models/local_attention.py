"""Local attention: the finer step of stage 1's cross-attention (coarse to fine, as in LoFTR, Sun et al. 2021).

The attention over tokens says where in a reference a token of the target is. Here every place at stride 4 looks closely around the best
of them, and reads trimap and colours there at stride 2, so that a painted band comes over as sharp as it was painted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 24  # length of a place's key
AROUND = 2  # places at stride 4 around a token's own 2×2 that are looked at
SIDE = 2 + 2 * AROUND
AT_ONCE = 64  # queries that are matched at once: their products stay in a processor's cache
CAUTION = 1.0  # how much less, in logits, a solved frame counts than it learned to: mistakes that are read again grow
TILT = 0.1  # how much less, in logits, a place counts a place farther away, to begin with


@dataclass(frozen=True)
class Closeup:
    """A reference seen from near, both at stride 4: keys N×CHANNELS×2h×2w, and values N×24×2h×2w: trimap and colours of 2×2 places each."""

    keys: Tensor
    values: Tensor


class LocalAttention(nn.Module):
    """Reads from a window of a reference around the place that matches a token best."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(fine, CHANNELS, 3, 1, 1), nn.Conv2d(coarse, CHANNELS, 1)
        self.sharpness = nn.Parameter(torch.tensor(math.log(16.0)))
        self.doubt = nn.Parameter(torch.tensor(1.0))
        own = torch.arange(2.0)[:, None] + AROUND - torch.arange(float(SIDE))
        apart = own.abs()[:, None, :, None] + own.abs()[None, :, None, :]
        self.tilt = nn.Parameter(-TILT * apart.reshape(4, SIDE * SIDE))

    def keys(self, s4: Tensor, s8: Tensor) -> Tensor:
        """Return keys N×CHANNELS×2h×2w float32 of maps at strides 4 and 8."""
        with torch.autocast(s4.device.type, enabled=False):
            near = F.conv2d(s4.float(), self.near.weight.float(), self.near.bias, padding=1)
            far = F.conv2d(s8.float(), self.far.weight.float(), self.far.bias)
            found = near + F.interpolate(far, scale_factor=2.0, mode="bilinear")
            return F.normalize(found, dim=1) * torch.exp(0.5 * self.sharpness)

    def forward(self, queries: Tensor, places: Sequence[tuple[Sequence[Closeup], Tensor]]) -> tuple[Tensor, Tensor]:
        """Return trimap and colours, N×3×4h×4w each, at stride 2, read at N×CHANNELS×2h×2w `queries`.

        places: key frames and the token of theirs, N×(h·w), that matches each token best; then the same of solved frames, where there
        are any. Tokens are counted through all frames of one kind.
        """
        n, _, height, width = queries.shape
        asked = F.pixel_unshuffle(queries, 2).view(n, CHANNELS, 4, -1).permute(0, 3, 2, 1)
        logits, values = [], []
        for solved, (closeups, best) in enumerate(places):
            keys, found = (windows([getattr(c, name) for c in closeups], best) for name in ("keys", "values"))
            logits.append(asked @ keys.transpose(2, 3) + self.tilt - solved * (self.doubt + CAUTION))
            values.append(found)
        read = torch.cat(logits, -1).softmax(-1) @ torch.cat(values, 2)
        maps = F.pixel_shuffle(read.permute(0, 3, 2, 1).reshape(n, -1, height // 2, width // 2), 2)
        trimap, colours = F.pixel_shuffle(maps, 2).split(3, 1)
        return trimap, colours


@torch.no_grad()
def best_matches(queries: Tensor, keys: Tensor) -> Tensor:
    """Return N×q, which of N×k×C keys has the greatest product with each of N×q×C queries."""
    keys = keys.transpose(1, 2).contiguous()
    return torch.cat([(some @ keys).max(-1).indices for some in queries.split(AT_ONCE, 1)], 1)


def windows(maps: Sequence[Tensor], tokens: Tensor) -> Tensor:
    """Return N×q×SIDE²×C, what lies around N×q tokens in maps N×C×2h×2w, repeated at their edges.

    Maps may differ in size; tokens, 2×2 places of a map, are counted through all of them.
    """
    rows, corners, strides, begun = [], [], [], 0
    for m in maps:
        h, w = m.shape[-2] // 2, m.shape[-1] // 2
        stride = m.shape[-1] + 2 * AROUND
        rows.append(F.pad(m, (AROUND,) * 4, mode="replicate").flatten(2).transpose(1, 2))
        down, across = torch.arange(h, device=m.device)[:, None], torch.arange(w, device=m.device)
        corners.append((begun + 2 * (stride * down + across)).flatten())
        strides.append(torch.full((h * w,), stride, device=m.device))
        begun += rows[-1].shape[1]
    n, places = len(tokens), torch.cat(rows, 1)
    step = torch.arange(SIDE, device=tokens.device)
    where = torch.cat(corners)[tokens][..., None, None] + torch.cat(strides)[tokens][..., None, None] * step[:, None] + step
    where = where + begun * torch.arange(n, device=tokens.device).view(n, 1, 1, 1)
    return places.flatten(0, 1).index_select(0, where.flatten()).view(n, -1, SIDE * SIDE, places.shape[-1])
