"""`videomatte shot`: a shot folder's beginning, how it stands, its key frames, its locks, its versions."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from bridge.sequence import format_range
from bridge.wire.errors import UsageError

from . import arguments as read
from .console import Console, sentence
from .interruption import Stop
from .solve import add_shot

if TYPE_CHECKING:
    from bridge.shot.states import Standing

LEAST_SURE = 5  # frames that are named for being the least sure


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("shot", help="look after a shot folder", description=__doc__)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=read.Parser)
    for name, run, what in (
        ("begin", begin, "make a shot folder, or change one as typed, and solve nothing"),
        ("status", status, "show which frames are solved, stale, locked, and where to paint the next key"),
        ("keys", keys, "list, set and remove key frames"),
        ("lock", lock, "lock frames: their results are never written again"),
        ("unlock", unlock, "unlock frames"),
        ("prune", prune, "remove old versions of the results"),
    ):
        verb = verbs.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
        verb.set_defaults(run=run)
        verb.add_argument("shot", metavar="DIR", help="the shot folder")
        if name in ("lock", "unlock"):
            verb.add_argument("frames", type=read.frames, metavar="1001-1100", help="the frames")
        elif name == "begin":
            add_shot(verb)
            verb.set_defaults(out=None, trimap_out=None, frames=None, device="auto", overwrite=False, replace_keys=False)
        elif name == "prune":
            verb.add_argument("--keep", type=int, required=True, metavar="N", help="how many of the newest versions stay")
        else:
            verb.add_json()
        if name == "keys":
            verb.add_argument(
                "--set", nargs=2, action="append", default=[], metavar=("FRAME", "FILE"), help="copy a painted trimap as a key"
            )
            verb.add_argument("--remove", type=read.frames, metavar="1001,1050", help="the frames whose keys go")
            verb.add_argument("--channel", metavar="NAME", help="the channel of FILE; A if it varies, else the first colour channel")


def begin(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Make or change a shot folder. Raises InputError, UsageError, StorageError."""
    from . import remarks
    from .shotsolve import opened

    stop.careful = True
    with remarks.heard(console):
        shot = opened(typed)
    console.say(f"Keys: {format_range(shot.keys) or 'none yet'}. Solve it: videomatte solve --shot {shlex.quote(str(shot.folder))}")


def status(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Show how a shot stands. Raises ShotError."""
    from bridge.shot.folder import Shot
    from bridge.shot.states import standing

    from . import remarks

    with remarks.heard(console):
        found = standing(Shot.open(typed.shot))
    if console.as_json:
        failures = {frame: asdict(failure) for frame, failure in found.failures.items()}
        problem = None if found.problem is None else {"code": found.problem.code, "message": found.problem.message}
        console.data({"shot": str(found.shot.folder), **asdict(found.message()), "failures": failures, "problem": problem})
        return
    console.say(f"{_heading(found)}\n{_table(found)}")
    for line in _remarks(found):
        console.say(line)


def keys(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Set and remove keys as typed, then list those there are. Raises InputError, UsageError, StorageError."""
    from bridge.shot.folder import Shot

    from . import remarks

    shot = Shot.open(typed.shot)
    stop.folders |= {shot.folder, shot.folder / "keys"}
    stop.careful = True
    with remarks.heard(console):
        for frame, file in typed.set:
            if not frame.lstrip("-").isdecimal():
                raise UsageError(f"{frame!r} is no frame number.", remedy="Say: --set 1050 key.1050.png")
            shot.set_key(int(frame), file, channel=typed.channel)
        for frame in typed.remove or ():
            shot.remove_key(frame)
    found = shot.keys
    if console.as_json:
        for frame, key in sorted(found.items()):
            console.data({"frame": frame, "file": str(shot.key_path(frame)), "digest": key.digest, "channel": key.channel})
        return
    for frame in sorted(found):
        console.say(f"{frame}  {shot.key_path(frame)}")
    if not found:
        console.say("No keys yet.")


def lock(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Lock frames. Raises InputError, StorageError."""
    from bridge.shot.folder import Shot

    shot = Shot.open(typed.shot)
    shot.lock(typed.frames)
    console.say(f"Locked: {format_range(shot.locked)}")


def unlock(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Unlock frames. Raises InputError, StorageError."""
    from bridge.shot.folder import Shot

    shot = Shot.open(typed.shot)
    shot.unlock(typed.frames)
    console.say(f"Locked: {format_range(shot.locked) or 'nothing'}")


def prune(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Remove old versions. Raises InputError, StorageError when the shot is being solved, UsageError."""
    from bridge.shot import versions
    from bridge.shot.folder import Shot
    from bridge.shot.work import claimed

    if typed.keep < 1:
        raise UsageError(f"--keep {typed.keep} would remove every version.", remedy="Keep 1 or more.")
    shot = Shot.open(typed.shot)
    stop.careful = True
    with claimed(shot):
        gone = versions.prune(shot.folder, keep=typed.keep)
    console.say(f"Removed: {', '.join(f'v{number:03d}' for number in gone) or 'nothing'}")


def _heading(found: Standing) -> str:
    frames = sorted(found.states)
    version = "nothing solved yet" if found.version is None else f"version v{found.version:03d}"
    return f"{found.shot.folder.name}: {f'{frames[0]}-{frames[-1]}' if frames else 'no frames'}, {version}"


def _table(found: Standing) -> str:
    from .tables import rendered

    rows = []
    for run in found.runs():
        step = f"x{run.step}" if run.step > 1 else ""
        span = str(run.first) if run.first == run.last else f"{run.first}-{run.last}{step}"
        rows.append((span, run.state, ", ".join(run.flags)))
    return rendered(("frames", "state", "flags"), rows, left=3)


def _remarks(found: Standing) -> list[str]:
    """Return what is to be said below the table."""
    from bridge.shot.work import Places

    lines = []
    for frame, failure in sorted(found.failures.items()):
        lines.append(f"Frame {frame} failed: {sentence(failure.message)} {failure.remedy}".rstrip())
    if found.problem is not None:
        lines.append(f"It cannot be solved: {sentence(found.problem.message)} {found.problem.remedy}".rstrip())
    doubtful = sorted((c, f) for f, c in found.confidence.items() if f not in found.keys)[:LEAST_SURE]
    if doubtful:
        lines.append("Least sure: " + ", ".join(f"{frame} ({sure:.2f})" for sure, frame in doubtful))
    if found.advice:
        first, *others = found.advice
        then = f", then at {' and '.join(str(f) for f in others)}" if others else ""
        lines.append(f"Paint the next key at frame {first}{then}.")
    if found.version is not None:
        lines.append(f"  matte: {Places.newest(found.shot.folder).alpha}")
    return lines
