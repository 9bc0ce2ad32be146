"""Scenes without certain foreground: smoke, glass and veils that are nowhere called opaque, on every frame's own trimap.

No foreground colour is known anywhere, so colours alone decide little; alpha 0.5 everywhere is the answer to beat, scene by scene.
"""

from __future__ import annotations

import torch

from bridge.solve.weights import Networks
from bridge.training.clips import make_clips
from bridge.training.footage import Footage

from . import metrics
from .comparison import Row, Rows, mean
from .methods import mattes, priors, shown

SIZE, FRAMES = 256, 4
SEEDS = {"smoke": (81, 82, 83, *range(87, 92)), "glass": (84, 85, *range(92, 98)), "veil": (86, *range(98, 105))}
NETWORK, PRIOR, EVEN, MEAN = "network", "no network: colour prior", "0.5 everywhere", "mean"


def without_foreground(networks: Networks, *, footage: Footage | None) -> Rows:
    """Return the mean absolute error × 1000 over the unknown region of every scene by method, and the mean over all scenes last."""
    rows = {f"{family} {seed}": _of_scene(networks, family, seed, footage) for family, seeds in SEEDS.items() for seed in seeds}
    return rows | {MEAN: mean(list(rows.values()))}


def wins(rows: Rows) -> str:
    """Return in words in how many scenes the network has the lower error than each of the others."""
    scenes = [row for name, row in rows.items() if name != MEAN]
    prior, even = (sum(row[NETWORK] < row[other] for row in scenes) for other in (PRIOR, EVEN))
    return f"Of {len(scenes)} scenes the network has the lower error than the prior in {prior}, than 0.5 everywhere in {even}."


def _of_scene(networks: Networks, family: str, seed: int, footage: Footage | None) -> Row:
    clips = make_clips(batch=1, times=range(FRAMES), size=SIZE, seed=seed, footage=footage, families=[family], held_back=True)
    classes = clips.classes[0].clamp(max=1)
    truth, unknown = clips.alpha[0, :, 0].numpy(), (classes[:, 0] == 1).numpy()
    found = {
        NETWORK: mattes(networks, shown(clips, classes, network=networks.matting), classes),
        PRIOR: priors(shown(clips, classes), classes),
        EVEN: torch.full_like(clips.alpha[0, :, 0], 0.5),
    }
    return {name: 1000 * metrics.msad(alpha.numpy(), truth, unknown) for name, alpha in found.items()}
