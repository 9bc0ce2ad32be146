"""`videomatte solve --shot DIR`: begin or change a shot folder as typed, then solve what is stale in it."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.sequence import Sequence, format_range
from bridge.wire.description import Description
from bridge.wire.errors import UsageError

from .console import Console
from .interruption import Stop
from .solve import RESUME, Teller, described, let_idle_threads_sleep, tell_end

if TYPE_CHECKING:
    from bridge.shot.folder import Shot
    from bridge.solve.shot import ShotSummary

NOT_OF_THE_SHOT = ("trimap", "trimap_channel", "frames", "device", "overwrite")


def solve_shot_folder(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Solve a shot folder as typed. Raises VideoMatteError."""
    from . import progress, remarks

    stop.remedy = RESUME
    let_idle_threads_sleep()
    with remarks.heard(console) as heard:
        shot = opened(typed)
        stop.folders |= {shot.folder / name for name in ("", "keys", "trimap", "alpha/pending", "foreground/pending")}
        from bridge.solve.shot import solve_shot

        stop.check()
        with progress.shown(console) as bar:
            tell = Teller(console, stop, bar, heard.channels)
            done = solve_shot(shot, tell=tell, frames=typed.frames, device=typed.device, overwrite=typed.overwrite)
    _finish(shot, done, console)


def opened(typed: argparse.Namespace) -> Shot:
    """Open the shot folder that was typed, or begin it, and change what was typed. Raises InputError, UsageError, StorageError."""
    from bridge.shot.folder import Shot

    for text in (typed.plate, typed.trimap, typed.garbage, typed.holdout):
        if text:
            Sequence.parse(text).frames()
    if (Path(typed.shot).expanduser() / "shot.json").exists():
        shot = Shot.open(typed.shot)
        shot.update(changed(shot.description, typed))
    else:
        if typed.plate is None:
            raise UsageError(
                f"There is no shot folder {typed.shot}, and no plate to begin it with.",
                remedy="Check the path, or give PLATE and --trimap.",
            )
        shot = Shot.create(typed.shot, changed(Description(), typed))
    if typed.trimap is not None:
        shot.set_keys(typed.trimap, channel=typed.trimap_channel, only=typed.replace_keys)
    return shot


def changed(before: Description, typed: argparse.Namespace) -> Description:
    """Return a description in which what was typed takes the place of what the shot knew."""
    said, optional = described(typed), {f.name for f in fields(Description) if f.default is None}
    named = {name for name in optional if getattr(said, name) is not None} | set(getattr(typed, "said", ()))
    words = {name: getattr(said, name) for name in named if name not in NOT_OF_THE_SHOT}
    return replace(before, **words)


def _finish(shot: Shot, done: ShotSummary, console: Console) -> None:
    from bridge.shot.work import Places

    newest = Places.newest(shot.folder)
    files = {"matte": str(newest.alpha), "trimap": str(shot.folder / "trimap" / "trimap.####.exr")}
    if shot.manifest.foreground:
        files["foreground"] = str(newest.foreground)
    version = str(done.version) if done.version else None
    tell_end(done.summary, files, console, shot=str(shot.folder), version=version, stale_locked=done.stale_locked)
    if done.stale_locked:
        console.say(f"Locked, though stale: {format_range(done.stale_locked)}")
