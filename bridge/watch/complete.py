"""Whether a shot is complete. Pure: what is there, since when it has not changed, and the time, in; a verdict out.

Complete is, strongest first: a range that was said, or a file called `ready`, and every frame there; else every file unchanged in two
looks at least and for `settle` seconds. Then each file must decode, which is not judged here. Time is that of a clock that never jumps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.sequence import format_range
from bridge.wire.errors import SequenceError, VideoMatteError

from .found import Found

GAP_PATIENCE = 900.0
"""Seconds in which a missing frame may still come."""
SHOWN = 60


@dataclass(frozen=True)
class Quiet:
    """Since when a shot has not changed, seconds of a clock that never jumps, and how many looks saw it so."""

    since: float
    looks: int = 1


@dataclass(frozen=True)
class Verdict:
    """Whether a shot can be solved; if not, what it waits for, or why it never will as it is. `soon`: it only waits for time to pass."""

    ready: bool = False
    waiting: str = ""
    soon: bool = False
    failed: VideoMatteError | None = None


def judged(found: Found, quiet: Quiet, *, now: float, settle: float, gap_patience: float = GAP_PATIENCE) -> Verdict:
    """Return the verdict on a shot."""
    if found.problem is not None:
        return Verdict(failed=found.problem)
    if not found.keys:
        return Verdict(waiting="a trimap")
    if found.settings.complete == "ready" and not found.sentinel:
        return Verdict(waiting="the file ready")
    still = now - quiet.since
    wait = found.settings.settle if found.settings.settle is not None else settle
    lacking = found.lacking if found.settings.gaps == "wait" or not found.solved_frames else ()
    if lacking or found.orphans:
        return _gap(found, lacking, still=still, patience=max(gap_patience, wait))
    if quiet.looks < 2:
        return Verdict(waiting="a second look", soon=True)
    announced = found.sentinel or (found.settings.range is not None and not found.lacking)
    if not announced and still < wait:
        return Verdict(waiting=f"{wait - still:.0f} s without a change", soon=True)
    return Verdict(ready=True)


def _gap(found: Found, lacking: tuple[int, ...], *, still: float, patience: float) -> Verdict:
    if lacking:
        frames = _short(format_range(lacking))
        message, remedy = f"{found.plate}: frames {frames} are missing", "Deliver them, or say a range or gaps in videomatte.toml."
        waiting, frame = f"frames {frames}", lacking[0]
    else:
        frames = _short(format_range(found.orphans))
        message, remedy = f"{found.name}: the trimaps {frames} have no plate", "Number a trimap like the plate it was painted on."
        waiting, frame = f"plates of the trimaps {frames}", found.orphans[0]
    if still >= patience:
        error = SequenceError(
            f"{message}, and nothing came for {still / 60:.0f} minutes.", remedy=remedy, file=str(found.plate), frame=frame
        )
        return Verdict(failed=error)
    return Verdict(waiting=waiting)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def covers(done: Mapping[str, object], found: Found) -> bool:
    """Tell whether what was delivered is of the files that are there now. Plates and trimaps that went since do not count as a change,
    but a trimap that was taken away while others stayed does.

    done: what done.json says.
    """
    stamps, keys = done.get("inputs"), done.get("keys")
    if not isinstance(stamps, Mapping) or not isinstance(keys, list) or done.get("settings") != found.settings.as_words():
        return False
    return all(stamps.get(path) == list(stamp) for path, stamp in found.inputs.items()) and (not found.keys or set(keys) <= set(found.keys))
