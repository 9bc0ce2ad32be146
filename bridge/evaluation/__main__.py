"""Measure the shipped weights: python -m bridge.evaluation [--pack FILE] [--data DIR] [--clips N] [--first N …] [--peers] [--out FILE].

Held-out generated clips, one trimap on the first frame (and three, for comparison), whole frames; and ten photographs where there are any.
Seeds are those of `bridge.training.clips.held_out_clips`; no weight has seen them, nor the families leaves and lace.
Every clip is measured on one thread, so the numbers do not depend on how many are measured at once.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bridge.shipped import manifest
from bridge.wire.errors import UsageError, VideoMatteError

from . import peers, workers
from .page import Measured, page


def main() -> None:
    """Measure and print, or write, the page."""
    parser = argparse.ArgumentParser(prog="python -m bridge.evaluation", description=__doc__)
    parser.add_argument("--pack", type=Path, help="packed footage; procedural textures without it")
    parser.add_argument("--data", type=Path, help="folder that holds validation/")
    parser.add_argument("--clips", type=int, default=8, help="how many clips, from each --first on")
    parser.add_argument("--first", type=int, nargs="+", default=[0], help="index of the first clip, or of several first ones")
    parser.add_argument("--peers", action="store_true", help="also closed-form and shared matting; twice as slow")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes, one thread each")
    parser.add_argument("--out", type=Path, help="write the page here instead of printing it")
    args = parser.parse_args()
    try:
        text = page(measured(args))
    except VideoMatteError as error:
        parser.exit(error.exit_status, f"{error}\n")
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    else:
        print(text)


def measured(args: argparse.Namespace) -> Measured:
    """Measure everything, several clips at once. Raises UsageError and WeightsError."""
    if args.clips < 1:
        raise UsageError(f"{args.clips} clips cannot be measured.", remedy="Use --clips 1 or more.")
    if args.peers:
        peers.library()
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn"), initializer=workers.on_one_thread) as pool:
        folder = args.data / "validation" if args.data else None
        pictures = [pool.submit(workers.on_photographs, folder, of_peers=p) for p in ((True, False) if args.peers else (False,)) if folder]
        steady, hazy = (pool.submit(measure, args.pack) for measure in (workers.on_still_scenes, workers.on_haze))
        clips = [pool.submit(workers.on_a_clip, index, pack=args.pack, with_peers=args.peers) for index in indices(args)]
        return Measured(
            command=command(args),
            weights=", ".join(f"{stage} {entry['steps']} steps" for stage, entry in sorted(manifest().items())),
            clips=[clip.result() for clip in clips],
            flicker=steady.result(),
            haze=hazy.result(),
            photographs={name: row for rows in reversed(pictures) for name, row in rows.result().items()},
        )


def indices(args: argparse.Namespace) -> list[int]:
    """Return which held-out clips are measured."""
    return sorted({index for first in args.first for index in range(first, first + args.clips)})


def command(args: argparse.Namespace) -> str:
    """Return the command line as the page tells it."""
    words = ["python -m bridge.evaluation", *(["--pack PACK"] if args.pack else []), *([f"--data {args.data}"] if args.data else [])]
    words += [f"--clips {args.clips}", *([f"--first {' '.join(map(str, args.first))}"] if args.first != [0] else [])]
    return " ".join([*words, *(["--peers"] if args.peers else [])])


if __name__ == "__main__":
    main()
