"""Train one stage, both, or what steadies mattes: python -m bridge.training --stage matting --minutes 30 --out RUN [--pack FILE]."""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork
from bridge.models.steadying import SteadyingNetwork

from . import checkpoint, judges, stages
from .footage import Footage
from .joint import JointLessons, Stages, carrier_of, fresh_matting, judge_joint, looker_of
from .loop import Plan, train
from .steadying import SteadyingLessons

N = TypeVar("N", bound=nn.Module)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bridge.training", description=__doc__)
    parser.add_argument("--stage", choices=("propagation", "matting", "joint", "steadying"), required=True)
    parser.add_argument("--minutes", type=float, required=True, help="of the whole run, however often it is resumed; then it is judged")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run's checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the latest checkpoint in the folder")
    parser.add_argument(
        "--start",
        type=Path,
        action="append",
        default=[],
        help="begin a new run from another's averaged or shipped weights; repeatable; stage 2 also takes its first looks with them",
    )
    parser.add_argument("--trimaps-by", type=Path, help="a run or shipped weights of stage 1: its trimaps are seen by stage 2")
    parser.add_argument("--mattes-by", type=Path, help="a run or shipped weights of stage 2, whose mattes are steadied; --stage steadying")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pack", type=Path, help="packed footage, see bridge.training.footage; procedural textures without it")
    parser.add_argument("--data", type=Path, help="folder that holds validation/, to be judged by photographs")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    args = parser.parse_args()
    if args.resume and (args.start or args.trimaps_by or args.mattes_by):
        parser.error("--resume goes on with what the run began with: leave out --start, --trimaps-by and --mattes-by")
    if args.trimaps_by and args.stage not in ("matting", "steadying"):
        parser.error("--trimaps-by is for --stage matting and steadying; a joint run has its own")
    if bool(args.mattes_by) != (args.stage == "steadying" and not args.resume):
        parser.error("--mattes-by is for --stage steadying, which needs it to begin")
    return args


def main() -> None:
    """Train as the command line says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device)
    footage = Footage.open(args.pack) if args.pack else None
    setting = stages.Setting(batch=args.batch, size=args.size, footage=footage, device=device, precision=getattr(torch, args.precision))
    plan = Plan(minutes=args.minutes, rate=args.rate, seed=args.seed)
    common = {"plan": plan, "setting": setting, "folder": args.out, "resume": args.resume}
    found = [checkpoint.averaged(run) for run in args.start]
    network = begun(args.stage, found)
    if isinstance(network, Stages):
        carrier = carrier_of(args.out, network.propagation, resume=args.resume, device=device)
        lessons = JointLessons(carrier=carrier, looker=looker_of(args.out, network.matting, resume=args.resume, device=device))
        judge = functools.partial(judge_joint, footage=footage, data=args.data)
        train(network, lessons.step, judge=judge, shadow=Stages(), **common)
    elif isinstance(network, SteadyingNetwork):
        carrier = carrier_of(args.out, other("propagation", args.trimaps_by, PropagationNetwork), resume=args.resume, device=device)
        matter = looker_of(args.out, other("matting", args.mattes_by, MattingNetwork), resume=args.resume, device=device)
        if matter is None:
            raise FileNotFoundError(f"{args.out} does not hold the stage 2 whose mattes the run steadies.")
        judge = functools.partial(judges.judge_steadying, matter=matter, footage=footage)
        train(network, SteadyingLessons(matter=matter, carrier=carrier).step, judge=judge, shadow=SteadyingNetwork(), **common)
    elif isinstance(network, MattingNetwork):
        carrier = carrier_of(args.out, other("propagation", args.trimaps_by, PropagationNetwork), resume=args.resume, device=device)
        looker = looker_of(args.out, network, resume=args.resume, device=device)
        judge = functools.partial(judges.judge_matting, footage=footage, data=args.data)
        train(network, stages.MattingLessons(carrier=carrier, looker=looker).step, judge=judge, shadow=MattingNetwork(), **common)
    else:
        judge = functools.partial(judges.judge_propagation, footage=footage)
        train(network, stages.propagation_step, judge=judge, shadow=PropagationNetwork(), **common)


def other(stage: str, weights: Path | None, kind: type[N]) -> N | None:
    """Return another stage's network, with the weights that a run learns from, if it does."""
    if weights is None:
        return None
    network = begun(stage, [checkpoint.averaged(weights)])
    assert isinstance(network, kind)
    return network


def begun(stage: str, found: list[dict[str, Tensor]]) -> PropagationNetwork | MattingNetwork | SteadyingNetwork | Stages:
    """Return a stage's network, or both, with the weights of the runs that hold such a network.

    Raises RuntimeError for any other, and ValueError for a second one of the same kind.
    """
    propagation = PropagationNetwork()
    matting = fresh_matting()
    wanted: dict[str, list[PropagationNetwork | MattingNetwork | SteadyingNetwork]]
    wanted = {"propagation": [propagation], "matting": [matting], "steadying": [SteadyingNetwork()], "joint": [propagation, matting]}
    filled = []
    for state in found:
        network = next((n for n in wanted[stage] if n.state_dict().keys() == state.keys()), wanted[stage][-1])
        network.load_state_dict(state)
        filled.append(network)
    if len(set(map(id, filled))) < len(filled):
        raise ValueError("A run can begin from one set of weights a stage: average them with bridge.training.export first.")
    return wanted[stage][0] if stage != "joint" else Stages(propagation=propagation, matting=matting)


if __name__ == "__main__":
    main()
