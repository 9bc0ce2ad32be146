"""The methods measured on one held-out clip, and on photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.imaging.flow import carried, dis_flow
from bridge.solve.weights import Networks
from bridge.training.clips import Clips, held_out_clips, held_out_family
from bridge.training.footage import Footage
from bridge.training.judges import judge_photographs, photographs

from . import metrics, peers
from .methods import mattes, priors, propagated, shown, solved

FRAMES = 24
SIZE = 256
Row = dict[str, float]
Rows = dict[str, Row]
Alphas = NDArray[np.float32]

OURS = "both stages, one key"
ALONE = "neighbours replaced by the centre frame"
FLOW_PEER = "closed-form, trimaps by DIS flow"
ONE_KEY = "one key"  # the trimaps of OURS


@dataclass(frozen=True)
class Compared:
    """A clip's name, which is its index and family, and its numbers: errors of each method over the whole frame and over the unknown region
    of the true trimaps, figures of the propagated trimaps, and whether every true trimap has certain background and certain foreground,
    as the classical methods need.
    """

    name: str
    whole: Rows
    unknown: Rows
    trimaps: Rows
    solvable: bool


def compare(networks: Networks, index: int, *, footage: Footage | None, with_peers: bool) -> Compared:
    """Measure every method on the held-out clip of an index. Raises UsageError where the peers are not installed."""
    clips = held_out_clips(index, frames=FRAMES, size=SIZE, footage=footage)
    classes, truth = clips.classes[0, :, 0].numpy(), clips.alpha[0, :, 0].numpy()
    found, trimaps = of_networks(networks, clips)
    trimaps["first trimap copied"] = np.broadcast_to(classes[:1], classes.shape)
    if with_peers:
        view = clips.view[0].permute(0, 2, 3, 1).numpy()
        trimaps["DIS flow, one key"] = carried(classes[0], list(view))
        found |= of_peers(view, classes, trimaps["DIS flow, one key"])
    flow = np.stack([dis_flow(a, b) for a, b in pairwise(truth)])
    return Compared(
        f"{index} {held_out_family(index)}",
        {name: errors(alpha, truth) for name, alpha in found.items()},
        {name: errors_where_unknown(alpha, truth, classes == 1, flow) for name, alpha in found.items()},
        {name: trimap_figures(marks, classes, truth) for name, marks in trimaps.items()},
        all(peers.solvable(frame) for frame in classes),
    )


def of_networks(networks: Networks, clips: Clips) -> tuple[dict[str, Alphas], dict[str, NDArray[np.uint8]]]:
    """Return alpha per method and trimaps per number of keys, T×H×W each, of the two stages and of what is left without a part of them."""
    one = propagated(networks.propagation, clips, [0])
    three = propagated(networks.propagation, clips, [0, FRAMES // 2, FRAMES - 1])
    forgetful = propagated(networks.propagation, clips, [0], memory=False)
    true = clips.classes[0]
    network = networks.matting
    once, from_one = shown(clips, one), shown(clips, one, network=network)
    found = {
        OURS: mattes(networks, from_one, one),
        "both stages, three keys": mattes(networks, shown(clips, three, network=network), three),
        "stage 2 alone, true trimaps": mattes(networks, shown(clips, true, network=network), true),
        ALONE: solved(network, from_one, one, alone=True),
        "not steadied": solved(network, from_one, one),
        "not steadied, neighbours read as if nothing moved": solved(network, from_one, one, led=False),
        "no second look": mattes(networks, once, one),
        "no memory: each frame reads the key alone": mattes(networks, shown(clips, forgetful, network=network), forgetful),
        "no network: colour prior, same trimaps": priors(once, one),
        "no network: colour prior, true trimaps": priors(shown(clips, true), true),
    }
    trimaps = {ONE_KEY: one, "three keys": three, "one key, no memory": forgetful}
    return {k: v.numpy() for k, v in found.items()}, {k: v[:, 0].numpy() for k, v in trimaps.items()}


def of_peers(view: Alphas, classes: NDArray[np.uint8], by_flow: NDArray[np.uint8]) -> dict[str, Alphas]:
    """Return alpha per classical method, T×H×W. view: T×H×W×3; classes, by_flow: the true trimaps and those that flow carried."""
    return {
        FLOW_PEER: peers.closed_form(view, by_flow),
        "shared matting, trimaps by DIS flow": peers.shared_matting(view, by_flow),
        "closed-form, true trimaps": peers.closed_form(view, classes),
        "shared matting, true trimaps": peers.shared_matting(view, classes),
    }


def errors(alpha: Alphas, truth: Alphas) -> Row:
    """Return errors over the whole frame; T×H×W."""
    everywhere = np.ones(truth.shape, bool)
    return {
        "SAD": metrics.sad(alpha, truth, everywhere) / len(truth),
        "MAD ×1000": 1000 * metrics.msad(alpha, truth, everywhere),
        "MSE ×1000": 1000 * metrics.mse(alpha, truth, everywhere),
        "dtSSD": metrics.dtssd(alpha, truth, everywhere),
    }


def errors_where_unknown(alpha: Alphas, truth: Alphas, unknown: NDArray[np.bool_], flow: Alphas) -> Row:
    """Return errors over the unknown region, T×H×W; flow: (T-1)×H×W×2 of the truth."""
    moved = metrics.messddt(alpha, truth, unknown, flow=flow)
    return {
        "SAD": metrics.sad(alpha, truth, unknown) / len(truth),
        "mSAD ×1000": 1000 * _per_frame(metrics.msad, alpha, truth, unknown),
        "MSE ×1000": 1000 * _per_frame(metrics.mse, alpha, truth, unknown),
        "Grad ÷1000": _per_frame(metrics.gradient_error, alpha, truth, unknown) / 1000,
        "Conn ÷1000": _per_frame(metrics.connectivity_error, alpha, truth, unknown) / 1000,
        "dtSSD": metrics.dtssd(alpha, truth, unknown),
        "MESSDdt": moved.total,
        "MESSDdt a pixel ×1000": 1000 * moved.each,
    }


def _per_frame(error: Callable[[Alphas, Alphas, NDArray[np.bool_]], float], *stacks: NDArray[np.generic]) -> float:
    return float(np.mean([error(*frame) for frame in zip(*stacks, strict=True)]))


def trimap_figures(marks: NDArray[np.uint8], classes: NDArray[np.uint8], truth: Alphas) -> Row:
    """Return agreement with the true trimaps and the share called certain but wrong; T×H×W each."""
    return {"agreement": metrics.class_agreement(marks, classes), "wrongly certain": metrics.wrongly_certain(marks, truth)}


def network_on_photographs(networks: Networks, folder: Path) -> Rows:
    """Return the photographs' mean errors over the unknown region for the network and for its prior alone."""
    verdict = judge_photographs(networks.matting, folder)
    kinds = {"network": "photo", "no network: colour prior": "photo_prior"}
    return {name: {"SAD": verdict[f"{kind}_sad"], "MSE": verdict[f"{kind}_mse"]} for name, kind in kinds.items()}


def peers_on_photographs(folder: Path) -> Rows:
    """Return the photographs' mean errors over the unknown region for the classical methods. Raises UsageError."""
    rows: dict[str, list[Row]] = {}
    for view, classes, truth in photographs(folder):
        picture, marks, alpha = view.permute(0, 2, 3, 1).numpy(), classes[:, 0].numpy(), truth[:, 0].numpy()
        for name, method in (("closed-form", peers.closed_form), ("shared matting", peers.shared_matting)):
            found, unknown = method(picture, marks), marks == 1
            row = {"SAD": metrics.sad(found, alpha, unknown), "MSE": metrics.mse(found, alpha, unknown)}
            rows.setdefault(name, []).append(row)
    return {name: mean(found) for name, found in rows.items()}


def means(clips: Iterable[Rows]) -> Rows:
    """Average the rows of each name over clips."""
    rows = list(clips)
    return {name: mean([clip[name] for clip in rows]) for name in rows[0]} if rows else {}


def mean(rows: list[Row]) -> Row:
    """Average rows."""
    return {column: float(np.mean([row[column] for row in rows])) for column in rows[0]}
