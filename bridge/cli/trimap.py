"""`videomatte trimap`: a roto matte in, trimaps out, unknown around the edge."""

from __future__ import annotations

import argparse
from pathlib import Path

import bridge.version as version
from bridge.sequence import Sequence, format_range
from bridge.wire.errors import SequenceError

from . import arguments as read
from .console import Console
from .interruption import Stop

WIDTH = 10.0
RESUME = "The same command goes on where it stopped."


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("trimap", help="make trimaps from a roto matte", description=__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("matte", metavar="MATTE", help="the roto matte: roto.####.exr or one file")
    parser.add_argument("--out", metavar="PATTERN", required=True, help="the trimaps: a pattern, or a folder")
    parser.add_argument("--erode", type=read.pixels, default=WIDTH, metavar="PX", help="unknown pixels inside the edge (%(default)g)")
    parser.add_argument("--dilate", type=read.pixels, default=WIDTH, metavar="PX", help="unknown pixels outside the edge (%(default)g)")
    parser.add_argument("--frames", type=read.frames, metavar="1001-1100", help="all of the matte when left out")
    parser.add_argument("--channel", metavar="NAME", help="the matte's channel; A if it varies, else the first colour channel")
    parser.add_argument("--overwrite", action="store_true", help="make every frame again and replace files that are in the way")


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Make the trimaps that were asked for and are not there yet. Raises VideoMatteError."""
    from bridge.shot.content import digest_of, file_digest
    from bridge.shot.outputs import Output, check_patterns, make_ready, to_do

    matte = read.sequence(typed.matte)
    frames = _wanted(matte, typed.frames, console)
    out = read.output(typed.out, plate=matte, what="trimap")
    check_patterns([("trimap", out)], inputs=[("the matte", matte)], frames=frames)
    settings = [typed.erode, typed.dilate, typed.channel, version.VERSION]
    output = Output("trimap", out, lambda f: digest_of(["from matte", file_digest(matte.path(f), frame=f), settings]))
    stop.remedy, stop.folders, stop.careful = RESUME, {out.folder}, True
    make_ready([output])
    todo = to_do([output], frames, overwrite=typed.overwrite)
    for frame in todo:
        stop.check()
        _write(matte.path(frame), out.path(frame), typed, key=output.key(frame))
    kept = f", {len(frames) - len(todo)} kept" if len(todo) < len(frames) else ""
    console.say(f"{len(todo)} trimap{'' if len(todo) == 1 else 's'} written{kept}\n  trimap: {out}")


def _wanted(matte: Sequence, asked: tuple[int, ...] | None, console: Console) -> tuple[int, ...]:
    present = matte.frames()
    if asked is None:
        return present
    missing = matte.missing(asked)
    if len(missing) == len(asked):
        raise SequenceError(f"{matte}: none of the frames {format_range(asked)} exists.", remedy="Check the range.", file=str(matte))
    if missing:
        console.warn(f"{matte}: frames {format_range(missing)} are missing and are left out.")
    return tuple(f for f in asked if f in set(present))


def _write(source: Path, path: Path, typed: argparse.Namespace, *, key: str) -> None:
    from bridge import exr
    from bridge.imaging.trimap import from_matte

    found = exr.read_channel(source, channel=typed.channel)
    trimap = from_matte(found.values, erode=typed.erode, dilate=typed.dilate)
    made = {"content": key, "kind": "trimap", "version": version.VERSION, "matte": source.name, "channel": found.chosen}
    exr.write_trimap(path, trimap, like=found.header, attributes={**made, "erode": typed.erode, "dilate": typed.dilate})
