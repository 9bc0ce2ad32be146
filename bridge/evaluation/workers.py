"""The tasks of an evaluation, each run in a process with one thread, so that the numbers do not depend on how many run at once."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch

from bridge.solve.weights import Networks, load_networks
from bridge.training.footage import Footage

from . import comparison, haze, stillness
from .comparison import Compared, Rows


def on_one_thread() -> None:
    """Prepare a worker."""
    os.environ["NUMBA_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


@cache
def networks() -> Networks:
    """Return the shipped networks, loaded once a worker."""
    return load_networks(torch.device("cpu"))


@cache
def footage(pack: Path | None) -> Footage | None:
    """Return the packed footage, opened once a worker."""
    return Footage.open(pack) if pack else None


def on_a_clip(index: int, *, pack: Path | None, with_peers: bool) -> Compared:
    """Measure a held-out clip in a worker."""
    with torch.inference_mode():
        return comparison.compare(networks(), index, footage=footage(pack), with_peers=with_peers)


def on_still_scenes(pack: Path | None) -> Rows:
    """Measure flicker in a worker."""
    with torch.inference_mode():
        return stillness.flicker(networks(), footage=footage(pack))


def on_haze(pack: Path | None) -> Rows:
    """Measure scenes without certain foreground in a worker."""
    with torch.inference_mode():
        return haze.without_foreground(networks(), footage=footage(pack))


def on_photographs(folder: Path, *, of_peers: bool) -> Rows:
    """Measure photographs in a worker."""
    with torch.inference_mode():
        return comparison.peers_on_photographs(folder) if of_peers else comparison.network_on_photographs(networks(), folder)
