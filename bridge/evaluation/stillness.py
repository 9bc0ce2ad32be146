"""How much alpha flickers on scenes that stand still without noise: solved from one key, and with trimaps that jump.

From one key only stage 1 can bring change into the frames after it. With the same trimap painted on every frame nothing could flicker at
all, so stage 2 alone is measured with a trimap that is wider and narrower from frame to frame.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bridge.solve.weights import Networks
from bridge.training.clips import make_clips
from bridge.training.footage import Footage
from bridge.training.trimaps import clean_classes

from . import metrics
from .methods import mattes, priors, propagated, shown, solved

SIZE = 256
FRAMES, PAINTED = 24, 5.0  # of a scene solved from one key, and the width of the key's band in pixels
WIDTHS = (2.0, 7.0, 3.0, 10.0, 5.0, 8.0)  # pixels from what is soft to what is certain, frame after frame
SCENES = (("strands", 77), ("blobs", 78), ("leaves", 79), ("lace", 80))
Rows = dict[str, dict[str, float]]


def flicker(networks: Networks, *, footage: Footage | None) -> Rows:
    """Return the mean change of alpha from frame to frame, ×255, of pixels unknown in either, over all scenes, by method."""
    rows = [_of_scene(networks, family, seed, footage) for family, seed in SCENES]
    return {name: {"change ×255": 255 * float(np.mean([row[name] for row in rows]))} for name in rows[0]}


def _of_scene(networks: Networks, family: str, seed: int, footage: Footage | None) -> dict[str, float]:
    still = make_clips(batch=1, times=[0] * FRAMES, size=SIZE, seed=seed, footage=footage, families=[family], clean=True, held_back=True)
    alpha = still.alpha[0, 0, 0].numpy()
    still.classes[0] = drawn(alpha, (PAINTED,))
    jumping, carried = drawn(alpha, WIDTHS), propagated(networks.propagation, still, [0])
    network = networks.matting
    inputs = shown(still, jumping, network=network)
    from_key = mattes(networks, shown(still, carried, network=network), carried)
    found = {
        "both stages, one key": (from_key, carried),
        "the same, after the key's own frame": (from_key[1:], carried[1:]),
        "network, trimaps that jump": (mattes(networks, inputs, jumping), jumping),
        "neighbours replaced by the centre frame, trimaps that jump": (solved(network, inputs, jumping, alone=True), jumping),
        "no network: colour prior, trimaps that jump": (priors(shown(still, jumping), jumping), jumping),
    }
    return {name: metrics.flicker(alpha.numpy(), (marks[:, 0] == 1).numpy()) for name, (alpha, marks) in found.items()}


def drawn(alpha: NDArray[np.float32], widths: tuple[float, ...]) -> Tensor:
    """Return T×1×H×W classes of one alpha H×W, each frame's unknown band as wide as its number says, in pixels."""
    return torch.from_numpy(np.stack([clean_classes(alpha, radius=width) for width in widths])[:, None])
