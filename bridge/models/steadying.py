"""The end of stage 2: the matte of t is steadied by those of t-1 and t+1, each of which was solved from three frames by itself.

The neighbours' mattes are moved to where the centre frame shows the same, along two motions: one searched on the views, which follows what
is seen, and one on the mattes, which follows the subject where the view shows mostly what is behind it. A small network says, pixel by
pixel, how much each of these five counts, and what is to be changed beyond (as predicted kernels do: Bako et al. 2017, Kernel-predicting
convolutional networks for denoising Monte Carlo renderings).

    seen = steadying_inputs(alpha, own, before, after, motions)     N×SEEN×H×W, any tile
    alpha = network(seen)

Alpha is linear coverage, 0 to 1; views are display-referred. Motion is in pixels, see `bridge.models.matting`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .inputs import CONFIDENCE, PRIOR_ALPHA, UNKNOWN_CHANNEL
from .layers import ConvUnit, Down, Up, initialise
from .matting import RIM, corrected, trimmed
from .temporal import sample

OWN = (0, 1, 2, PRIOR_ALPHA, CONFIDENCE, UNKNOWN_CHANNEL)  # of a frame's inputs, what is looked at again; first the view
MOTIONS, MOVED = 2, 4  # motions to each neighbour, and neighbours' mattes moved along them
SEEN = 1 + 3 * MOVED + len(OWN)
REFINEMENTS = 5  # of the motion searched on mattes: edges of what moves apart from what lies behind it
PLAINER = 4.0  # differences of views are small numbers
AROUND = 24  # pixels around a tile; covers the receptive field (tested)


def own_inputs(inputs: Tensor) -> Tensor:
    """Return what of a frame's inputs, N×CHANNELS×H×W, is looked at again, N×6×H×W float32."""
    return inputs[:, list(OWN)].float()


def matted(alpha: Tensor, own: Tensor) -> Tensor:
    """Return what a frame shows its neighbours, N×4×H×W: its matte, N×1×H×W, exact where the trimap is certain, and its view."""
    return torch.cat([alpha, own[:, :3]], 1)


def matte_guide(alpha: Tensor) -> Tensor:
    """Return what the motion of mattes, N×1×H×W, is searched on, N×H×W uint8."""
    return (255.0 * alpha[:, 0] + 0.5).clamp(0.0, 255.0).to(torch.uint8)


def steadying_inputs(
    alpha: Tensor, own: Tensor, before: Tensor, after: Tensor, motions: Tensor, *, origin: tuple[int, int] = (0, 0)
) -> Tensor:
    """Return what the network is shown of a frame, or of a tile of it that begins at `origin` (row, column), N×SEEN×h×w float32.

    alpha, own: the tile's matte, N×1×h×w, and `own_inputs`; before, after: whole neighbours, see `matted`; motions: N×8×h×w, to the frame
    before and to the one after, (dy, dx) in pixels, first those searched on the views, then those on the mattes.

    Channels: the frame's own matte and the four moved ones; how far the views differ where each was moved from; how far the mattes do;
    `OWN`. A place outside the neighbour shows its nearest pixel.
    """
    mattes, differences = [], []
    for neighbour, motion in zip((before, after) * MOTIONS, motions.split(2, 1), strict=True):
        there = sample(neighbour, motion, origin=origin, beyond="border")
        mattes.append(there[:, :1])
        differences.append((there[:, 1:] - own[:, :3]).abs().mean(1, keepdim=True))
    moved = torch.cat(mattes, 1)
    return torch.cat([alpha, moved, PLAINER * torch.cat(differences, 1), (moved - alpha).abs(), own], 1)


class SteadyingNetwork(nn.Module):
    """Weighs five mattes against each other and corrects what comes of it; a new one takes their even mean."""

    def __init__(self) -> None:
        super().__init__()
        self.at1 = ConvUnit(SEEN, 24)
        self.at2 = Down(24, 48)
        self.at4 = Down(48, 64)
        self.up2, self.up1 = Up(64, 48, 48), Up(48, 24, 24)
        self.head = nn.Conv2d(24, 1 + MOVED + 1, 3, 1, 1)
        initialise(self)
        nn.init.zeros_(self.head.weight)

    def forward(self, seen: Tensor, *, halo: int = 0) -> Tensor:
        """Return alpha, N×1×H×W float32; seen: N×SEEN×H×W, with `halo` pixels around; all multiples of 4. See `MattingNetwork.refine`."""
        x1 = self.at1(seen)
        x2 = self.at2(x1)
        rim = min(halo, RIM)
        x4, x2, x1 = (trimmed(x, (halo - rim) // stride) for x, stride in ((self.at4(x2), 4), (x2, 2), (x1, 1)))
        x = self.up1(self.up2(x4, x2), x1)
        with torch.autocast(x.device.type, enabled=False):
            told = F.conv2d(x.float(), self.head.weight.float(), self.head.bias.float(), padding=1)  # type: ignore[union-attr]
            told, mattes = trimmed(told, rim), trimmed(seen[:, : 1 + MOVED], halo).float()
            mixed = (told[:, : 1 + MOVED].softmax(1) * mattes).sum(1, keepdim=True)
            return corrected(mixed, told[:, 1 + MOVED :])
