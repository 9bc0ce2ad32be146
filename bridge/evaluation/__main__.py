"""Measure the shipped weights: python -m bridge.evaluation [--pack FILE] [--data DIR] [--clips N] [--out docs/quality.md].

Held-out generated clips, one trimap on the first frame (and three, for comparison), whole frames; and ten photographs where there are any.
Seeds are those of `bridge.training.clips.held_out_clips`; no weight has seen them, nor the families leaves and lace.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.models.inputs import PRIOR_ALPHA, matting_inputs
from bridge.models.matting import exact_where_certain
from bridge.solve.propagate import decided
from bridge.solve.weights import Networks, load_networks, manifest
from bridge.training.clips import Clips, held_out_clips, make_clips
from bridge.training.footage import Footage
from bridge.training.judges import judge_photographs
from bridge.training.stages import rolled_out

from . import metrics

FRAMES = 24
SIZE = 256
Row = dict[str, float]


def propagated(networks: Networks, clips: Clips, keys: Sequence[int]) -> Tensor:
    """Return T×1×H×W uint8 classes of a clip: the true trimaps at the keys, stage 1's elsewhere, one pass from the first key."""
    logits, targets = rolled_out(networks.propagation, clips.view, clips.classes, keys=list(keys))
    classes = clips.classes[0].clone()
    for i, frame in enumerate(targets):
        classes[frame, 0] = torch.from_numpy(decided(logits[0, i : i + 1].softmax(1), size=(SIZE, SIZE)))
    return classes


def mattes(networks: Networks, clips: Clips, classes: Tensor, *, alone: bool = False) -> tuple[Tensor, Tensor]:
    """Return alpha and the prior's alpha, T×H×W; `alone` replaces the neighbours by the centre frame."""
    inputs = torch.cat(
        [
            matting_inputs(clips.view[0, t : t + 1], clips.plate[0, t : t + 1], classes[t : t + 1], linear=bool(clips.linear[0]))
            for t in range(len(classes))
        ]
    )
    last = len(inputs) - 1
    alphas = []
    for t in range(len(inputs)):
        three = [t, t, t] if alone else [max(0, t - 1), t, min(last, t + 1)]
        alphas.append(exact_where_certain(networks.matting(inputs[three][None])[0, 0], classes[t]))
    prior = exact_where_certain(inputs[:, PRIOR_ALPHA : PRIOR_ALPHA + 1], classes)
    return torch.stack(alphas)[:, 0], prior[:, 0]


def errors(alpha: Tensor, clips: Clips, region: Tensor) -> Row:
    """Return SAD and MSE per frame and dtSSD over a region, T×H×W bool."""
    a, g, m = alpha.numpy(), clips.alpha[0, :, 0].numpy(), region.numpy()
    return {"SAD": metrics.sad(a, g, m) / len(a), "MSE×1000": 1000 * metrics.mse(a, g, m), "dtSSD": metrics.dtssd(a, g, m)}


def on_clips(networks: Networks, footage: Footage | None, count: int) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return mean errors per method (whole frame) and mean trimap figures per number of keys."""
    methods: dict[str, list[Row]] = {}
    trimaps: dict[str, list[Row]] = {}
    for index in range(count):
        clips = held_out_clips(index, frames=FRAMES, size=SIZE, footage=footage)
        whole = torch.ones_like(clips.classes[0, :, 0], dtype=torch.bool)
        truth = clips.classes[0, :, 0].numpy()
        one, three = propagated(networks, clips, [0]), propagated(networks, clips, [0, FRAMES // 2, FRAMES - 1])
        for name, classes in (("one key", one), ("three keys", three)):
            found = classes[:, 0].numpy()
            wrong = metrics.wrongly_certain(found, clips.alpha[0, :, 0].numpy())
            trimaps.setdefault(name, []).append({"agreement": metrics.class_agreement(found, truth), "wrongly certain": wrong})
        still = np.broadcast_to(truth[:1], truth.shape)
        trimaps.setdefault("first trimap copied", []).append(
            {
                "agreement": metrics.class_agreement(still, truth),
                "wrongly certain": metrics.wrongly_certain(still, clips.alpha[0, :, 0].numpy()),
            }
        )
        full, prior = mattes(networks, clips, one)
        rows = {"both stages, one key": full, "colour prior alone, same trimaps": prior}
        rows["both stages, three keys"], _ = mattes(networks, clips, three)
        rows["neighbours replaced by the centre frame"], _ = mattes(networks, clips, one, alone=True)
        rows["true trimaps"], rows["colour prior alone, true trimaps"] = mattes(networks, clips, clips.classes[0])
        for name, alpha in rows.items():
            methods.setdefault(name, []).append(errors(alpha, clips, whole))
    return mean_of(methods), mean_of(trimaps)


def still_flicker(networks: Networks, footage: Footage | None) -> float:
    """Return the mean frame-to-frame change of alpha, ×255, where a clean scene that stands still is unknown."""
    clips = make_clips(batch=1, times=[0, 0, 0, 0], size=SIZE, seed=77, footage=footage, families=["strands"], clean=True)
    alpha, _ = mattes(networks, clips, clips.classes[0])
    return 255 * metrics.flicker(alpha.numpy(), (clips.classes[0, :, 0] == 1).numpy())


def of_photographs(verdict: dict[str, float]) -> dict[str, Row]:
    """Return the photographs' numbers as rows."""
    kinds = {"network": "photo", "colour prior alone": "photo_prior"}
    return {name: {"SAD": verdict[f"{kind}_sad"], "MSE": verdict[f"{kind}_mse"]} for name, kind in kinds.items()}


def mean_of(rows: dict[str, list[Row]]) -> dict[str, Row]:
    """Average the rows of each name."""
    return {name: {k: float(np.mean([r[k] for r in found])) for k in found[0]} for name, found in rows.items()}


def table(rows: dict[str, Row], head: str, show: Callable[[float], str]) -> str:
    """Return a Markdown table."""
    columns = list(next(iter(rows.values())))
    lines = [f"| {head} | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(show(row[c]) for c in columns)} |" for name, row in rows.items()])


def main() -> None:
    """Measure and print, or write, the page."""
    parser = argparse.ArgumentParser(prog="python -m bridge.evaluation", description=__doc__)
    parser.add_argument("--pack", type=Path, help="packed footage; procedural textures without it")
    parser.add_argument("--data", type=Path, help="folder that holds validation/")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--out", type=Path, help="write the page here instead of printing it")
    args = parser.parse_args()
    networks = load_networks(torch.device("cpu"))
    footage = Footage.open(args.pack) if args.pack else None
    with torch.inference_mode():
        methods, trimaps = on_clips(networks, footage, args.clips)
        steady = still_flicker(networks, footage)
        photographs = judge_photographs(networks.matting, args.data / "validation") if args.data else None
    sources = (" --pack PACK" if footage else "") + (" --data ../shared/data" if args.data else "")
    page = PAGE.format(
        command=f"python -m bridge.evaluation{sources} --clips {args.clips}",
        clips=args.clips,
        frames=FRAMES,
        size=SIZE,
        flicker=steady,
        steps=", ".join(f"{stage} {entry['steps']} steps" for stage, entry in sorted(manifest().items())),
        methods=table(methods, "method", "{:.3f}".format),
        trimaps=table(trimaps, "trimaps", "{:.4f}".format),
        photographs=table(of_photographs(photographs), "photographs", "{:.4f}".format) if photographs else "Not measured.",
    )
    if args.out:
        args.out.write_text(page, encoding="utf-8")
    else:
        print(page)


PAGE = """# Quality

Written by `{command}`. Weights: {steps}.

## Generated clips that training never saw

{clips} clips of {frames} frames, {size}×{size}; unseen seeds, and for half of them families (leaves, lace) that were never trained on.
One trimap on the first frame unless the row says otherwise. Whole frame: SAD in thousands a frame, MSE × 1000, dtSSD a pair of frames.

{methods}

{trimaps}

Agreement is the share of pixels with the class that the painted trimap of that frame has. Wrongly certain: called background or
foreground although alpha is more than 0.05 away from it.

A clean scene that stands still changes by {flicker:.3f}/255 a frame where it is unknown.

## Photographs

Ten photographs of alphamatting.com (Rhemann et al. 2009), trimap1, unknown region, SAD in thousands; used for
judging alone, never for training. For comparison, pymatting 1.1.16: closed-form 2.94 / 0.0153, shared matting 2.40 / 0.0070.

{photographs}
"""


if __name__ == "__main__":
    main()
