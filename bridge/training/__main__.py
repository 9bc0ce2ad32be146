"""Train a stage: python -m bridge.training --stage matting --minutes 30 --out RUN [--resume] [--pack FILE]."""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path

import torch
from torch.nn.utils import convert_conv2d_weight_memory_format

from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork

from . import judges, stages
from .footage import Footage
from .loop import Plan, train


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bridge.training", description=__doc__)
    parser.add_argument("--stage", choices=("propagation", "matting"), required=True)
    parser.add_argument("--minutes", type=float, required=True, help="stop after this long, saved and judged")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run's checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the latest checkpoint in the folder")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pack", type=Path, help="packed footage, see bridge.training.footage; procedural textures without it")
    parser.add_argument("--data", type=Path, help="folder that holds validation/, to be judged by photographs")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    return parser.parse_args()


def main() -> None:
    """Train one stage as the command line says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device)
    footage = Footage.open(args.pack) if args.pack else None
    setting = stages.Setting(batch=args.batch, size=args.size, footage=footage, device=device, precision=getattr(torch, args.precision))
    plan = Plan(minutes=args.minutes, rate=args.rate, seed=args.seed)
    common = {"plan": plan, "setting": setting, "folder": args.out, "resume": args.resume}
    if args.stage == "matting":
        judge = functools.partial(judges.judge_matting, footage=footage, data=args.data)
        network = convert_conv2d_weight_memory_format(MattingNetwork(), torch.channels_last)
        train(network, stages.MattingLessons().step, judge=judge, shadow=MattingNetwork(), **common)
    else:
        seen = functools.partial(judges.judge_propagation, footage=footage)
        train(PropagationNetwork(), stages.propagation_step, judge=seen, shadow=PropagationNetwork(), **common)


if __name__ == "__main__":
    main()
