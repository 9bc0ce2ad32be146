"""Scenes without certain foreground: smoke, glass and veils that are nowhere called opaque, on every frame's own trimap.

No foreground colour is known anywhere, so colours alone decide little; alpha 0.5 everywhere is the answer to beat, scene by scene.
"""

from __future__ import annotations

import torch

from bridge.solve.weights import Networks
from bridge.training.clips import make_clips
from bridge.training.footage import Footage

from . import metrics
from .methods import mattes, priors, shown

SIZE, FRAMES = 256, 4
SCENES = (("smoke", 81), ("smoke", 82), ("smoke", 83), ("glass", 84), ("glass", 85), ("veil", 86))
Row = dict[str, float]


def without_foreground(networks: Networks, *, footage: Footage | None) -> dict[str, Row]:
    """Return by method the mean absolute error × 1000 over the unknown region of every scene, by scene."""
    rows = {f"{family} {seed}": _of_scene(networks, family, seed, footage) for family, seed in SCENES}
    methods = next(iter(rows.values()))
    return {method: {scene: row[method] for scene, row in rows.items()} for method in methods}


def _of_scene(networks: Networks, family: str, seed: int, footage: Footage | None) -> Row:
    clips = make_clips(batch=1, times=range(FRAMES), size=SIZE, seed=seed, footage=footage, families=[family], held_back=True)
    classes = clips.classes[0].clamp(max=1)
    truth, unknown = clips.alpha[0, :, 0].numpy(), (classes[:, 0] == 1).numpy()
    found = {
        "network": mattes(networks, shown(clips, classes, network=networks.matting), classes),
        "no network: colour prior": priors(shown(clips, classes), classes),
        "0.5 everywhere": torch.full_like(clips.alpha[0, :, 0], 0.5),
    }
    return {name: 1000 * metrics.msad(alpha.numpy(), truth, unknown) for name, alpha in found.items()}
