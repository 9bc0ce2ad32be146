"""The blocks the networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# torch 2.13 on CPUs with AMX leaves memory unwritten where a bfloat16 convolution of stride 2 gives a map one pixel wide
NARROWEST = 64  # pixels: what a network is shown is at least this wide


class ConvUnit(nn.Sequential):
    """3×3 (or 1×1) convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(inplace=True),
        )


class ResidualUnit(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.second(self.first(x)))


class AddedUnit(nn.Module):
    """Two 3×3 convolutions whose result is added to what they see (He et al. 2016, Identity Mappings).

    The last normalisation starts at zero (Goyal et al. 2017), so a network grown by such units answers as it did before.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.change = nn.Sequential(*ConvUnit(channels, channels), nn.Conv2d(channels, channels, 3, 1, 1, bias=False), norm)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.change(x)
        return changed


class Down(nn.Sequential):
    """Halve the resolution, then look around."""

    def __init__(self, inputs: int, outputs: int, *, units: int = 1) -> None:
        super().__init__(ConvUnit(inputs, outputs, stride=2), *(ResidualUnit(outputs) for _ in range(units)))


class Up(nn.Module):
    """Double the resolution of a coarse map and join it with the finer one."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.narrow = ConvUnit(coarse, outputs, kernel=1)
        self.join = ConvUnit(outputs + fine, outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        up = F.interpolate(self.narrow(coarse), scale_factor=2.0, mode="nearest")
        return self.join(torch.cat([up, fine], 1))


def initialise(network: nn.Module) -> None:
    """Draw every convolution from He's normal distribution; batch normalisation starts as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def folded(network: nn.Module) -> nn.Module:
    """Return the network with each batch normalisation folded into the convolution before it; for inference only."""
    network.eval()
    for name, child in network.named_children():
        folded(child)
        if isinstance(child, nn.Sequential):
            layers = list(child)
            for i in range(len(layers) - 1):
                conv, norm = layers[i], layers[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    child[i] = torch.nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
                    child[i + 1] = nn.Identity()
        setattr(network, name, child)
    return network


def highest_near(maps: Tensor, reach: int) -> Tensor:
    """Return N×C×H×W, the highest value in the square that reaches so many pixels to each side; rows and columns one after the other."""
    return F.max_pool2d(F.max_pool2d(maps, (2 * reach + 1, 1), 1, (reach, 0)), (1, 2 * reach + 1), 1, (0, reach))
