"""Ship weights: python -m bridge.training.export --stage matting --run RUN --weights bridge/weights [--also OTHER] [--before EARLIER].

Takes the averaged weights of a run's latest checkpoint, halves them to float16 and writes them with their sha256 into the manifest.
Other runs that began from the same weights are averaged in (Wortsman et al. 2022, Model soups), evenly or as --share says. --lean moves
stage 2 as a whole towards opaque or clear, where clips and photographs show that it errs to one side. The manifest counts the steps and
minutes of all these runs, and of the earlier ones from whose weights they began.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from . import checkpoint

HEAD_BIAS = "head.bias"  # of stage 2, and of what steadies it, whose weights of mattes do not change when the same is added to all


def export(
    run: Path,
    *,
    stage: str,
    weights: Path,
    also: Sequence[Path] = (),
    before: Sequence[Path] = (),
    share: float | None = None,
    lean: float = 0.0,
) -> dict[str, Any]:
    """Write STAGE.safetensors (float16; statistics of batch normalisation too) and its entry in manifest.json; return the entry.

    share: how much of the mean is the run's, 0..1, the others sharing the rest evenly; all count alike without it.
    lean: logits added to every change of alpha, not for stage 1; above 0 more opaque.
    """
    states = [checkpoint.state_of(r) for r in (run, *also, *before)]
    found = [_of_stage(checkpoint.averaged(r), stage) for r in (run, *also)]
    own = 1.0 / len(found) if share is None or not also else share
    counts = [own, *[(1.0 - own) / max(1, len(also))] * len(also)]
    means = {
        k: sum((c * f[k].float() for c, f in zip(counts[1:], found[1:], strict=True)), own * found[0][k].float())
        for k in found[0]
        if not k.endswith(checkpoint.COUNT)
    }
    if lean:
        means[HEAD_BIAS] = means[HEAD_BIAS] + lean
    tensors = {k: v.to(torch.float16).contiguous() for k, v in means.items()}
    data = save(tensors)
    name = f"{stage}.safetensors"
    (weights / name).write_bytes(data)
    entry = {
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "parameters": sum(v.numel() for v in tensors.values()),
        "steps": sum(int(state["step"]) for state in states),
        "minutes": round(sum(float(state["elapsed_s"]) for state in states) / 60.0),
        "seed": int(states[0]["seed"]),
        "licence": "Apache-2.0",
    }
    path = weights / checkpoint.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(manifest | {stage: entry}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return entry


def _of_stage(state: dict[str, Tensor], stage: str) -> dict[str, Tensor]:
    """Return the weights of one stage; those of a joint run have its name before theirs."""
    own = {k.removeprefix(f"{stage}."): v for k, v in state.items() if k.startswith(f"{stage}.")}
    return own or state


def main() -> None:
    """Export one stage as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bridge.training.export", description=__doc__)
    parser.add_argument("--stage", choices=("propagation", "matting", "steadying"), required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the shipped weights")
    parser.add_argument("--also", type=Path, action="append", default=[], help="another run or shipped weights, averaged in; repeatable")
    parser.add_argument("--share", type=float, help="of the mean that --run has, 0 to 1; the others share the rest; even without it")
    parser.add_argument(
        "--lean", type=float, default=0.0, help="logits added to every change of alpha, not for stage 1; above 0 more opaque"
    )
    parser.add_argument(
        "--before", type=Path, action="append", default=[], help="a run or weights from which these began, to be counted; repeatable"
    )
    args = parser.parse_args()
    if args.lean and args.stage == "propagation":
        parser.error("--lean is for --stage matting and steadying")
    given = {name: getattr(args, name) for name in ("stage", "weights", "also", "before", "share", "lean")}
    print(json.dumps(export(args.run, **given)))


if __name__ == "__main__":
    main()
