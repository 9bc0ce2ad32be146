"""Results of a shot as messages: how it stands, and the pixels of a frame as path, inline or in shared memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bridge import exr
from bridge.sequence import Sequence
from bridge.shot.folder import TRIMAP, Shot
from bridge.shot.outputs import State
from bridge.shot.plan import Plan, planned
from bridge.shot.request import request_of
from bridge.shot.states import runs, standing
from bridge.shot.work import Places
from bridge.wire.description import Description
from bridge.wire.errors import UsageError
from bridge.wire.messages import FrameResult, ShotPreview, ShotResult, ShotState
from bridge.wire.pixels import FilePixels, InlinePixels
from bridge.wire.shared import SharedFiles
from bridge.wire.values import FrameState

from .pictures import put

Kind = Literal["alpha", "trimap", "foreground"]


@dataclass(frozen=True)
class Where:
    """The file of a result, what it is, and how its frame stands."""

    path: Path
    kind: str
    state: FrameState


@dataclass(frozen=True)
class Found:
    """A result as a message, with the raw pixels beside it."""

    result: FrameResult
    parts: tuple[Any, ...] = ()


def of_folder(shot: Shot, asked: ShotResult) -> Where:
    """Return where a result of a shot folder is. Raises ShotError."""
    state = standing(shot, frames=[asked.frame]).states.get(asked.frame)
    newest = Places.newest(shot.folder)
    files = {"alpha": newest.alpha, "foreground": newest.foreground, "trimap": Sequence.parse(shot.folder / TRIMAP)}[asked.kind]
    return Where(files.path(asked.frame), asked.kind, state.value if state else "unsolved")


def of_loose(description: Description, asked: ShotResult) -> Where:
    """Return where a result of a loose shot is. Raises UsageError when it was not asked for."""
    plan = planned(request_of(description))
    name = "matte" if asked.kind == "alpha" else asked.kind
    output = next((o for o in plan.outputs if o.name == name), None)
    if output is None:
        raise UsageError(f"This shot has no {asked.kind}.", remedy="Ask for it when the shot is opened.", frame=asked.frame)
    return Where(output.files.path(asked.frame), asked.kind, _state(plan, asked.frame, plan.plates.frames))


def read(where: Where, asked: ShotResult | ShotPreview, *, shared: SharedFiles | None) -> Found:
    """Return a result the way it was asked for; without pixels where there is no file. Raises ImageError, WindowError, InputError."""
    if not where.path.exists():
        return Found(FrameResult(asked.frame, where.state))
    header = exr.read_header(where.path)
    data, display = ((w.x0, w.y0, w.x1, w.y1) for w in (header.data_window, header.display_window))
    if asked.how == "path":
        return Found(FrameResult(asked.frame, where.state, FilePixels(str(where.path)), data, display))
    if where.kind == "foreground":
        values = np.ascontiguousarray(exr.read_plate(where.path).rgb, np.float32)
    else:
        values = exr.read_channel(where.path).values
    if asked.how == "shared":
        if asked.into is None:
            raise UsageError("A result in shared memory needs to know where.", frame=asked.frame)
        put(values, asked.into, data=header.data_window, display=header.display_window, shared=shared)
        return Found(FrameResult(asked.frame, where.state, asked.into, data, display))
    pixels = InlinePixels("float32", values.shape)
    return Found(FrameResult(asked.frame, where.state, pixels, data, display), (np.ascontiguousarray(values),))


def state_of(description: Description, frames: tuple[int, ...] | None) -> ShotState:
    """Return how a loose shot stands. Raises InputError, UsageError."""
    plan = planned(request_of(description))
    known, present = {*plan.wanted, *plan.missing}, frozenset(plan.plates.frames)
    some = sorted(known if frames is None else known & set(frames))
    stands = [(f, _state(plan, f, present), _flags(plan, f)) for f in some]
    return ShotState(description, (some[0], some[-1]) if some else None, tuple(runs(stands)), tuple(plan.keys))


def _flags(plan: Plan, frame: int) -> tuple[Any, ...]:
    return (("key",) if frame in plan.keys else ()) + (("plate missing",) if frame in plan.missing else ())


def _state(plan: Plan, frame: int, present: Collection[int]) -> FrameState:
    if frame not in present:
        return "unsolved"
    states = {output.state(frame) for output in plan.outputs}
    if states == {State.CURRENT}:
        return "solved"
    return "unsolved" if State.ABSENT in states else "stale"
