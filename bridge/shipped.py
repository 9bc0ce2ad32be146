"""The weights that ship in the package: their list, what names them in content keys, their bytes checked. Nothing here needs torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bridge.wire.errors import WeightsError

REINSTALL = "Install videomatte again; `videomatte doctor` shows what is wrong."
FOLDER = Path(__file__).resolve().parent / "weights"
STAGES = ("propagation", "matting", "steadying")  # the last one steadies the mattes of the second


@dataclass(frozen=True)
class Model:
    """The weights of one stage: what the list says, and in `problem` what is wrong with the file, if anything."""

    stage: str
    file: str
    bytes: int
    parameters: int
    sha256: str
    problem: str
    steps: int
    licence: str


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """Return file name, sha256 and facts of each stage's weights. Raises WeightsError."""
    try:
        stages: dict[str, dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The list of weights cannot be read: {error}", remedy=REINSTALL) from error
    if not all({"file", "sha256"} <= set(stages.get(stage) or ()) for stage in STAGES):
        raise WeightsError(f"The list of weights lacks one of {', '.join(STAGES)}.", remedy=REINSTALL, file="manifest.json")
    return stages


def weights_digest() -> str:
    """Return what names all weights in content keys. Raises WeightsError."""
    return hashlib.sha256("".join(manifest()[s]["sha256"] for s in sorted(STAGES)).encode()).hexdigest()[:32]


def checked(stage: str) -> bytes:
    """Return the bytes of a stage's weights. Raises WeightsError."""
    entry = manifest()[stage]
    try:
        data: bytes = (FOLDER / entry["file"]).read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights of {stage} cannot be read: {error}", remedy=REINSTALL, file=entry["file"]) from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise WeightsError(
            f"The weights of {stage} in {entry['file']} are not the ones that were shipped: their sha256 differs.",
            remedy=REINSTALL,
            file=entry["file"],
        )
    return data


def models() -> list[Model]:
    """Return the weights of every stage, each file checked against the list. Raises WeightsError when there is no list."""
    found = []
    for stage in STAGES:
        entry = manifest()[stage]
        try:
            checked(stage)
            problem = ""
        except WeightsError as error:
            problem = error.message
        numbers = {name: int(entry.get(name, 0)) for name in ("bytes", "parameters", "steps")}
        found.append(Model(stage, entry["file"], sha256=entry["sha256"], problem=problem, licence=str(entry.get("licence", "")), **numbers))
    return found
