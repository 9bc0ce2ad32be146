"""How much alpha flickers on scenes that stand still without noise, while the trimap around them is wider and narrower from frame to frame.

With one trimap on every frame the three frames that stage 2 reads would be the same, and no method could flicker.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bridge.models.matting import MattingNetwork
from bridge.training.clips import make_clips
from bridge.training.footage import Footage
from bridge.training.trimaps import clean_classes

from . import metrics
from .methods import mattes, priors, shown

SIZE = 256
WIDTHS = (2.0, 7.0, 3.0, 10.0, 5.0, 8.0)  # pixels from what is soft to what is certain, frame after frame
SCENES = (("strands", 77), ("blobs", 78), ("leaves", 79), ("lace", 80))
Rows = dict[str, dict[str, float]]


def flicker(network: MattingNetwork, *, footage: Footage | None) -> Rows:
    """Return the mean change of alpha from frame to frame, ×255, of pixels unknown in either, over all scenes, by method."""
    rows = [_of_scene(network, family, seed, footage) for family, seed in SCENES]
    return {name: {"change ×255": 255 * float(np.mean([row[name] for row in rows]))} for name in rows[0]}


def _of_scene(network: MattingNetwork, family: str, seed: int, footage: Footage | None) -> dict[str, float]:
    still = make_clips(batch=1, times=[0] * len(WIDTHS), size=SIZE, seed=seed, footage=footage, families=[family], clean=True)
    classes = drawn(still.alpha[0, 0, 0].numpy(), WIDTHS)
    still.classes[0] = classes
    inputs = shown(still, classes)
    found = {
        "network": mattes(network, inputs, classes),
        "neighbours replaced by the centre frame": mattes(network, inputs, classes, alone=True),
        "no network: colour prior": priors(inputs, classes),
    }
    unknown = (classes[:, 0] == 1).numpy()
    return {name: metrics.flicker(alpha.numpy(), unknown) for name, alpha in found.items()}


def drawn(alpha: NDArray[np.float32], widths: tuple[float, ...]) -> Tensor:
    """Return T×1×H×W classes of one alpha H×W, each frame's unknown band as wide as its number says, in pixels."""
    return torch.from_numpy(np.stack([clean_classes(alpha, radius=width) for width in widths])[:, None])
