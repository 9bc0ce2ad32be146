"""The files of a solved frame: what comes after the network, then provenance, then the verified EXR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.foreground import estimate_foreground
from bridge.imaging.holdout import apply_garbage, apply_holdout
from bridge.imaging.spaces import linear_name
from bridge.imaging.trimap import to_values
from bridge.sequence import Sequence
from bridge.shipped import weights_digest
from bridge.shot import keys as key_frames
from bridge.shot.inputs import Inputs
from bridge.shot.outputs import CONTENT, Output, State
from bridge.shot.plan import Plan
from bridge.shot.plates import Plate, at
from bridge.version import VERSION

from .engine import Engine
from .trimaps import Trimaps

Floats = NDArray[np.float32]
Solved = tuple[Plate, Floats]


def kept_trimaps(plan: Plan) -> Output | None:
    """Return where the trimaps of a shot folder are, which stage 1 itself writes; None when there is none."""
    return next((o for o in plan.outputs if o.name == "trimap"), None) if plan.request.keep_trimaps else None


def asked_for(plan: Plan) -> tuple[Output, ...]:
    """Return the outputs that are written with each solved frame."""
    return tuple(o for o in plan.outputs if o is not kept_trimaps(plan))


def provenance(plan: Plan, engine: Engine, kind: str) -> Callable[[int], dict[str, str]]:
    """Return what names a frame's own inputs besides its content key; nothing about job, host or time."""

    def facts(frame: int) -> dict[str, str]:
        return {
            "kind": kind,
            "version": VERSION,
            "weights": weights_digest(),
            "profile": plan.profile.name,
            "precision": f"{engine.torch_device.type} {engine.precision}",
            "colorspace": plan.plates.space.name,
            "plate": plan.plates.digest(frame),
            "trimap": plan.content.trimap(frame),
        }

    return facts


class Writer:
    """Writes the files of a frame: what comes after the network, then provenance, then the verified EXR.

    The holdout comes first and shapes the foreground too, so that what is kept keeps the plate's colour; garbage comes last and wins.
    """

    def __init__(self, plan: Plan, *, engine: Engine, trimaps: Trimaps) -> None:
        self._plan, self._engine, self._trimaps = plan, engine, trimaps

    def write(self, plate: Plate, alpha: Floats) -> tuple[Path, ...]:
        """Write the outputs of a frame that are not there yet and return their paths. Raises StorageError, ImageError, WindowError."""
        again = self._plan.request.overwrite
        with at(plate.frame):
            held = _under(self._plan.request.holdout, apply_holdout, self._plan.plates.inputs, plate, alpha)
            wanted = [o for o in asked_for(self._plan) if again or o.state(plate.frame) is not State.CURRENT]
            return tuple(self._write(output, plate, held) for output in wanted)

    def _write(self, output: Output, plate: Plate, alpha: Floats) -> Path:
        request, path = self._plan.request, output.files.path(plate.frame)
        attributes = {CONTENT: output.key(plate.frame), **provenance(self._plan, self._engine, output.name)(plate.frame)}
        if output.name == "trimap":
            exr.write_trimap(path, to_values(self._trimaps(plate.frame)), like=plate.header, attributes=attributes)
        elif output.name == "foreground":
            colours = estimate_foreground(self._plan.plates.transform.scene_linear(plate.rgb), alpha)
            space = linear_name(self._plan.plates.space)
            exr.write_rgb(path, colours, like=plate.header, depth=request.depth, interop_id=space, attributes=attributes)
        else:
            matte = _under(request.garbage, apply_garbage, self._plan.plates.inputs, plate, alpha)
            exr.write_matte(path, matte, like=plate.header, channels=request.channels, depth=request.depth, attributes=attributes)
        return path


def shaped(plan: Plan, plate: Plate, alpha: Floats) -> Floats:
    """Return alpha, H×W float32 on the plate's data window, under the holdout and garbage mattes. Raises ImageError, WindowError."""
    request, inputs = plan.request, plan.plates.inputs
    with at(plate.frame):
        return _under(request.garbage, apply_garbage, inputs, plate, _under(request.holdout, apply_holdout, inputs, plate, alpha))


def _under(files: Sequence | None, apply: Callable[[Floats, Floats], Floats], inputs: Inputs, plate: Plate, alpha: Floats) -> Floats:
    """Apply a garbage or holdout matte where the frame had one when it was named."""
    path = None if files is None else files.path(plate.frame)
    if path is None or inputs.find(path, frame=plate.frame) is None:
        return alpha
    return apply(alpha, inputs.read(path, lambda: key_frames.read_matte(path, onto=plate.header), frame=plate.frame).values)
