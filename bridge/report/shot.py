"""The report of a shot folder: read, measured, written as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bridge import exr
from bridge.exr.landing import landing
from bridge.sequence import Sequence, format_range
from bridge.shot.folder import TRIMAP, Shot
from bridge.shot.plates import Plates
from bridge.shot.states import FrameState, Standing, standing
from bridge.shot.work import Places
from bridge.wire.errors import ShotError, VideoMatteError

from .look import Look, looks
from .measure import Measure, measured
from .page import Column, Contents, page
from .pictures import Files, alpha_on_canvas, pictures

COLUMNS = 8


def write_report(folder: str | Path, path: Path) -> Path:
    """Write the report of a shot folder and return where it is. Raises ShotError, ImageError, StorageError."""
    text = page(contents(Shot.open(folder)))
    with landing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def contents(shot: Shot) -> Contents:
    """Return what the report of a shot shows. Raises ShotError when nothing is solved yet, ImageError."""
    found = standing(shot)
    newest = Places.newest(shot.folder)
    solved = [f for f in newest.alpha.frames(allow_none=True) if f in found.states]
    if not solved:
        raise ShotError(f"{shot.folder} has no results to report.", remedy="Solve it first.", file=str(shot.folder))
    foreground = newest.foreground if shot.manifest.foreground else None
    files = Files(newest.alpha, Sequence.parse(shot.folder / TRIMAP), foreground)
    measures = list(measured(solved, lambda frame: alpha_on_canvas(files.alpha, frame)))
    states = {frame: state.value for frame, state in found.states.items()}
    worth = looks(measures, confidence=found.confidence, states=states, keys=found.keys)
    plates = _plates(shot)
    shown = [(f, why) for f, why in _shown(found, solved, worth).items()]
    return Contents(
        name=shot.folder.name.removesuffix(".vmatte"),
        first=min(states),
        last=max(states),
        summary=_summary(found, measures),
        runs=found.runs(),
        columns=[Column(f, why, pictures(f, files, plates)) for f, why in shown],
        measures=measures,
        confidence=found.confidence,
        looks=worth,
        advice=found.advice,
        remarks=_remarks(found),
        settings=_settings(shot, found),
        provenance=_provenance(files.alpha, solved),
    )


def _plates(shot: Shot) -> Plates | None:
    """Return the plates; None where they are gone, which leaves the mattes to be shown."""
    try:
        return shot.plates()
    except VideoMatteError:
        return None


def _shown(found: Standing, solved: list[int], worth: list[Look]) -> Mapping[int, str]:
    """Return the frames of the contact sheet and why each is there: remarkable ones, advised keys, keys, the ends, some between."""
    there = set(solved)
    wanted = {look.frame: look.why for look in worth}
    wanted |= {f: "paint a key here" for f in found.advice[:1] if f not in wanted}
    wanted |= {f: "first" for f in solved[:1] if f not in wanted} | {f: "last" for f in solved[-1:] if f not in wanted}
    keys = [f for f in sorted(found.keys) if f in there and f not in wanted]
    between = [solved[int(i)] for i in np.linspace(0, len(solved) - 1, COLUMNS).round()]
    for frame in [*keys[:: max(1, len(keys) // 2)], *between]:
        if len(wanted) < COLUMNS:
            wanted.setdefault(frame, "")
    named = {f: ", ".join(word for word in ("key" if f in found.keys else "", why) if word) for f, why in wanted.items() if f in there}
    return dict(sorted(named.items()))


def _summary(found: Standing, measures: list[Measure]) -> str:
    counts = {state: sum(s is state for s in found.states.values()) for state in FrameState}
    frames = sorted(found.states)
    said = [f"{frames[0]}-{frames[-1]}", f"{len(frames)} frames", *(f"{n} {s.value}" for s, n in counts.items() if n)]
    flicker = [m.flicker for m in measures if m.flicker is not None]
    if flicker:
        said.append(f"flicker {100 * float(np.median(flicker)):.1f} % in the middle, {100 * max(flicker):.1f} % at worst")
    return " · ".join([*said, f"version v{found.version:03d}" if found.version else "not published"])


def _remarks(found: Standing) -> list[str]:
    remarks = [f"Frame {frame} failed: {failure.message} {failure.remedy}" for frame, failure in sorted(found.failures.items())]
    if found.problem is not None:
        remarks.append(f"It cannot be solved as it is: {found.problem.message} {found.problem.remedy}")
    if found.missing:
        remarks.append(f"Plates are missing: {format_range(found.missing)}.")
    return remarks


def _settings(shot: Shot, found: Standing) -> dict[str, str]:
    said, now = shot.description, shot.manifest
    return {
        "plate": said.plate or "",
        "frames": said.frames or "all of the plate",
        "keys": format_range(found.keys),
        "locked": format_range(found.locked),
        "profile": said.profile,
        "colour space": f"{now.colour} ({said.colorspace})" if now.colour else said.colorspace,
        "layer": said.layer or "",
        "view": said.view or "",
        "channels": f"{said.channels}, {said.depth}",
        "garbage": said.garbage or "",
        "holdout": said.holdout or "",
        "foreground": "written" if now.foreground else "",
    }


def _provenance(alpha: Sequence, solved: list[int]) -> dict[str, str]:
    """Return what the mattes say of themselves, where all that are looked at agree; else how many ways there are."""
    looked = [exr.read_provenance(alpha.path(f)) or {} for f in (solved if len(solved) < 200 else solved[:: len(solved) // 100])]
    names = {"version": "videomatte", "weights": "weights", "precision": "precision", "device": "device", "colorspace": "colour space"}
    facts = {"files": str(alpha)}
    for name, word in names.items():
        values = sorted({found[name] for found in looked if name in found})
        if values:
            facts[word] = " and ".join(values)
    return facts
