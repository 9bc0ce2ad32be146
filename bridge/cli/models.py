"""`videomatte models`: the weights, and whether they are the ones that were shipped."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bridge.shipped import FOLDER, Model, models
from bridge.wire.errors import WeightsError

from . import arguments as read
from .console import Console
from .interruption import Stop


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("models", help="list the weights", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_json()


def run(_typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """List the weights. Raises WeightsError when one is absent or not the one that was shipped."""
    found = models()
    if console.as_json:
        for model in found:
            console.data(asdict(model))
    else:
        from .tables import rendered

        titles = ("stage", "file", "size", "parameters", "sha256", "check", "steps trained", "licence")
        console.say(rendered(titles, [_row(model) for model in found], title="Weights"))
        console.say(f"  folder: {FOLDER}" + "".join(f"\n  model card: {card}" for card in cards()))
    for model in found:
        if model.problem:
            raise WeightsError(model.problem, remedy="Install videomatte again.", file=model.file)


def cards() -> list[Path]:
    """Return the model cards beside the weights."""
    return sorted(FOLDER.glob("*.md"))


def _row(model: Model) -> tuple[str, ...]:
    check = "differs" if model.problem else "as shipped"
    size = f"{model.bytes / 1e6:.1f} MB"
    return (model.stage, model.file, size, f"{model.parameters:,}", model.sha256[:12], check, f"{model.steps:,}", model.licence)
