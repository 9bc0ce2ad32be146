"""`videomatte bench`: frames per second and memory on this machine, of a synthetic shot, EXR in to EXR out, as a table.

`videomatte bench transport` measures the way of pixels to another process instead.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.sequence import Sequence
from bridge.wire.errors import ResourceError

from . import arguments as read
from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    import resource

PATIENCE = 4.0  # seconds; less than this process itself is given when it is asked to stop


@dataclass(frozen=True)
class Measured:
    """One solve in a process of its own. Seconds of wall clock and of all cores; peak resident memory in bytes."""

    size: str
    frames: int
    keys: int
    unknown: float
    wall: float
    rate: float
    cpu: float
    peak: int


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("bench", help="measure frames per second and memory here", description=__doc__)
    parser.set_defaults(run=run)
    what = "of a whole solve, or of the way of pixels to another process and back"
    parser.add_argument("what", nargs="?", choices=("solve", "transport"), default="solve", help=f"{what} (%(default)s)")
    parser.add_argument("--size", type=sizes, metavar="WxH,WxH", help="sizes of the plate (1920x1080; transport: 3840x2160 too)")
    parser.add_argument("--frames", type=counts, default="12", metavar="N", help="frames of the shot (%(default)s)")
    parser.add_argument("--unknown", type=share, default=0.15, metavar="SHARE", help="unknown share of the key (%(default)s)")
    parser.add_argument("--memory", type=counts, metavar="N,N", help="instead: shots of these lengths, keys on first and last frame")
    parser.add_argument("--profile", choices=("final", "draft"), default="final", help="of the solve")
    parser.add_device()
    parser.add_argument(
        "--repeats", type=read.positive, default=20, metavar="N", help="of transport: how often it is measured (%(default)s)"
    )
    parser.add_argument("--cores", type=read.positive, metavar="N", help="use only N cores (Linux)")


def run(typed: argparse.Namespace, console: Console, stop: Stop) -> None:
    """Measure and print the table. Raises ResourceError when a solve fails."""
    if typed.what == "transport":
        from . import transport

        transport.run(typed.size or sizes("1920x1080,3840x2160"), repeats=typed.repeats, console=console, stop=stop)
        return
    if not hasattr(os, "wait4"):
        raise ResourceError("This system does not tell how much memory a process used.", remedy="Run the benchmark on Linux or macOS.")
    if typed.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: typed.cores])
    lengths, keys = (typed.memory, (0, -1)) if typed.memory else (typed.frames, (0,))
    found = []
    for width, height in typed.size or sizes("1920x1080"):
        for frames in lengths:
            console.note(f"Measuring {width}×{height}, {frames} frames")
            found.append(measured(typed, width=width, height=height, frames=frames, keys=keys, stop=stop))
    _show(found, typed, console)


def measured(typed: argparse.Namespace, *, width: int, height: int, frames: int, keys: tuple[int, ...], stop: Stop) -> Measured:
    """Make a shot in a temporary folder, solve it in a process of its own and measure that. Raises ResourceError."""
    from . import synthetic

    stop.careful = True
    with tempfile.TemporaryDirectory(prefix="videomatte-bench-") as name:
        folder = Path(name)
        plate, trimap = synthetic.write_shot(
            folder, width=width, height=height, frames=frames, keys=keys, unknown=typed.unknown, each=stop.check
        )
        begun = time.monotonic()
        usage, done = _solved(_command(plate, trimap, folder / "out" / "matte.####.exr", typed), stop)
        wall = time.monotonic() - begun
    unknown = synthetic.share_unknown(width, height, unknown=typed.unknown)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    rate, cpu = frames / float(str(done["seconds"])), usage.ru_utime + usage.ru_stime
    return Measured(f"{width}×{height}", frames, len(set(keys)), unknown, wall, rate, cpu, peak)


def _command(plate: Sequence, trimap: Sequence, out: Path, typed: argparse.Namespace) -> list[str]:
    files = [str(plate), "--trimap", str(trimap), "--out", str(out)]
    return [sys.executable, "-m", "bridge.cli", "solve", *files, "--profile", typed.profile, "--device", typed.device, "--json"]


def _solved(command: list[str], stop: Stop) -> tuple[resource.struct_rusage, dict[str, object]]:
    """Run a solve; return what it used and its last event."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.DEVNULL)
        try:
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                stop.check()
                time.sleep(0.02)
        except BaseException:
            _ended(process)
            raise
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        said.seek(0)
        last = json.loads(said.read().splitlines()[-1])
    if process.returncode != 0:
        message = f"The solve that was measured ended with {process.returncode}: {last.get('message')}"
        raise ResourceError(message, remedy=last.get("remedy", ""))
    return ended[2], last


def _ended(process: subprocess.Popen[bytes]) -> None:
    """End a solve, in peace if it can."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _show(found: list[Measured], typed: argparse.Namespace, console: Console) -> None:
    from .tables import rendered

    titles = ("size", "frames", "keys", "unknown in the key", "frames/s", "wall s", "CPU s", "peak RSS")
    console.say(rendered(titles, [_row(m) for m in found], title="EXR in to EXR out"))
    if typed.memory and len(found) > 1:
        first, last = found[0], found[-1]
        console.say(f"{last.frames} frames need {last.peak / first.peak - 1:+.1%} of the memory of {first.frames}.")
    console.say("frames/s: from the first file read to the last one written; wall s: of the whole process, its start included")
    console.say(f"command: {' '.join(['videomatte', *sys.argv[1:]])}")
    console.say(f"machine: {machine()}")


def _row(m: Measured) -> tuple[str, ...]:
    numbers = (f"{m.unknown:.1%}", f"{m.rate:.2f}", f"{m.wall:.1f}", f"{m.cpu:.1f}", f"{m.peak / 2**30:.2f} GiB")
    return (m.size, str(m.frames), str(m.keys), *numbers)


def machine() -> str:
    """Return what computes here and with which versions."""
    from importlib import metadata

    from bridge.solve.devices import devices
    from bridge.solve.engine import engine_for

    engine = engine_for()
    facts = [f"{d.name}: {d.make}" for d in devices()] + [f"{engine.threads} threads, {engine.precision}"]
    return ", ".join([*facts, f"Python {platform.python_version()}", f"torch {metadata.version('torch')}"])


def sizes(text: str) -> list[tuple[int, int]]:
    """Read `1920x1080,3840x2160`. Raises ArgumentTypeError."""
    try:
        found = [tuple(int(n) for n in part.lower().replace("×", "x").split("x")) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or any(len(pair) != 2 or min(pair) < 1 for pair in found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1920x1080")
    return [(pair[0], pair[1]) for pair in found]


def counts(text: str) -> list[int]:
    """Read `100,2000`. Raises ArgumentTypeError."""
    numbers = [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return numbers


def share(text: str) -> float:
    """Read a share above 0 and at most 0.5. Raises ArgumentTypeError."""
    return read.number(text, lambda value: 0 < value <= 0.5, what="a share above 0 and at most 0.5")
