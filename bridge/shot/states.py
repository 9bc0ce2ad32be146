"""How a shot stands: which frames are unsolved, solved, stale or failed, and where the next key would help most.

A frame is judged by its files in the newest version: whether the content key in them is the one that its inputs have now.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field, replace
from enum import Enum

from bridge.sequence import Sequence, format_range
from bridge.wire.errors import ImageError, InputError, UsageError, VideoMatteError
from bridge.wire.messages import ShotState
from bridge.wire.values import FrameFlag, FrameRun

from . import failures, versions
from .advice import advice
from .failures import Failure
from .folder import Shot
from .manifest import Manifest
from .outputs import Output
from .plan import Plan
from .work import Places, content_of, plan_of, request_for, results_of


class FrameState(Enum):
    """The result of a frame."""

    UNSOLVED = "unsolved"
    """There is none yet."""
    SOLVED = "solved"
    """It is what a solve would give now."""
    STALE = "stale"
    """Plate, key or settings have changed since."""
    FAILED = "failed"
    """It could not be solved, and nothing has changed since."""


@dataclass(frozen=True)
class Standing:
    """A shot as it stands. `missing`: frames without a plate. `problem`: why it cannot be solved at all.

    `confidence` 0..1 of frames whose trimap is current; `advice`: the frames where the next key would help most, best first.
    """

    shot: Shot
    states: Mapping[int, FrameState]
    keys: frozenset[int]
    locked: frozenset[int]
    missing: frozenset[int]
    version: int | None
    confidence: Mapping[int, float] = field(default_factory=dict)
    advice: tuple[int, ...] = ()
    failures: Mapping[int, Failure] = field(default_factory=dict)
    problem: VideoMatteError | None = None

    def flags(self, frame: int) -> tuple[FrameFlag, ...]:
        """Return what else is to be said of a frame."""
        named: tuple[tuple[FrameFlag, Collection[int]], ...]
        named = (("key", self.keys), ("locked", self.locked), ("plate missing", self.missing))
        return tuple(flag for flag, frames in named if frame in frames)

    def runs(self) -> tuple[FrameRun, ...]:
        """Return neighbouring frames that stand alike, as runs."""
        return tuple(runs([(f, s.value, self.flags(f)) for f, s in sorted(self.states.items())]))

    def message(self) -> ShotState:
        """Return it as the wire says it."""
        frames = sorted(self.states)
        version = None if self.version is None else str(versions.version_folder(self.shot.folder, self.version))
        return ShotState(
            description=self.shot.description,
            range=(frames[0], frames[-1]) if frames else None,
            frames=self.runs(),
            keys=tuple(sorted(self.keys)),
            locked=format_range(self.locked),
            version=version,
            confidence=tuple(sorted(self.confidence.items())),
            advice=self.advice,
        )


def standing(shot: Shot, *, frames: Collection[int] | None = None) -> Standing:
    """Return how a shot stands, all of it or some frames. Raises ShotError; what else is wrong with the shot is its `problem`.

    Advice weighs the whole shot: it is only given when all of it is asked for.
    """
    now, known = shot.manifest, failures.read(shot.folder)
    whole, present = _frames(shot, now)
    bare = Standing(
        shot,
        {},
        keys=frozenset(now.keys),
        locked=now.locked,
        missing=frozenset(whole) - present,
        version=versions.newest(shot.folder),
    )
    asked = None if frames is None else frozenset(frames)
    some = [f for f in whole if asked is None or f in asked]
    try:
        inside = tuple(f for f in some if f in present) or tuple(sorted(present))
        plan = plan_of(shot, request_for(shot, into=Places.newest(shot.folder), frames=inside))
    except (InputError, UsageError) as error:
        return replace(bare, states={f: _unplanned(shot, f, known) for f in some}, problem=error, failures=known)
    states = {f: _state(shot, plan, f, known.get(f)) for f in some}
    sure = _confidence(shot, plan, inside)
    shot.digests.save()
    return replace(
        bare,
        states=states,
        confidence={f: c for f, c in sure.items() if f in states},
        advice=_advised(sure, now, present) if frames is None else (),
        failures={f: known[f] for f, s in states.items() if s is FrameState.FAILED},
    )


def _frames(shot: Shot, now: Manifest) -> tuple[tuple[int, ...], frozenset[int]]:
    """Return the frames of a shot, ascending, and those whose plate is there."""
    plate = shot.description.plate
    present = () if plate is None else Sequence.parse(plate).frames(allow_none=True)
    if now.range is not None:
        return now.range, frozenset(present)
    if present:
        return tuple(range(present[0], present[-1] + 1)), frozenset(present)
    left = Places.newest(shot.folder).alpha.frames(allow_none=True)
    return tuple(sorted({*left, *now.keys})), frozenset()


def _state(shot: Shot, plan: Plan, frame: int, failure: Failure | None) -> FrameState:
    """Judge a frame by its files and the content keys that its inputs have now."""
    results = results_of(plan)
    if all(_is_current(shot, output, frame) for output in results):
        return FrameState.SOLVED
    if failure is not None and failure.content == content_of(plan, frame):
        return FrameState.FAILED
    return FrameState.STALE if os.path.lexists(results[0].files.path(frame)) else FrameState.UNSOLVED


def _unplanned(shot: Shot, frame: int, known: Mapping[int, Failure]) -> FrameState:
    """Judge a frame of a shot that cannot be solved at all."""
    if frame in known:
        return FrameState.FAILED
    return FrameState.STALE if os.path.lexists(Places.newest(shot.folder).alpha.path(frame)) else FrameState.UNSOLVED


def _is_current(shot: Shot, output: Output, frame: int) -> bool:
    found = shot.digests.result(output.files.path(frame))
    try:
        return found is not None and found[0] == output.key(frame)
    except (ImageError, KeyError):
        return False


def _confidence(shot: Shot, plan: Plan, frames: tuple[int, ...]) -> dict[int, float]:
    """Return how sure stage 1 was of the frames whose trimap is made from what is there now; a key is sure."""
    trimap = next(output for output in plan.outputs if output.name == "trimap")
    sure: dict[int, float] = {}
    for frame in frames:
        found = shot.digests.result(trimap.files.path(frame))
        if frame in plan.keys:
            sure[frame] = 1.0
        elif found is not None and found[1] and _is_current(shot, trimap, frame):
            sure[frame] = float(found[1])
    return sure


def _advised(sure: Mapping[int, float], now: Manifest, present: frozenset[int]) -> tuple[int, ...]:
    """Return where the next key would help most; what is locked is approved, so it needs none."""
    return tuple(advice(sure, frozenset(now.keys) & present, allowed=present - now.locked, approved=now.locked))


def runs(frames: Listed[tuple[int, str, tuple[FrameFlag, ...]]]) -> Iterator[FrameRun]:
    """Yield runs of frames that stand alike and lie evenly apart."""
    first = 0
    while first < len(frames):
        last = first
        step = frames[first + 1][0] - frames[first][0] if first + 1 < len(frames) else 1
        while last + 1 < len(frames) and frames[last + 1][1:] == frames[first][1:] and frames[last + 1][0] - frames[last][0] == step:
            last += 1
        number, state, flags = frames[first]
        yield FrameRun(number, frames[last][0], state, flags, step if last > first else 1)  # type: ignore[arg-type]
        first = last + 1
