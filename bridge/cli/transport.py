"""`videomatte bench transport`: how long the pixels of a frame travel to another process and back, compared with copying them once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bridge.wire.client import Client
from bridge.wire.errors import ResourceError
from bridge.wire.messages import Error, Ping, ShotFrame, ShotResult
from bridge.wire.pixels import InlinePixels
from bridge.wire.shared import Picture, SharedFrame

from .console import Console
from .interruption import Stop

if TYPE_CHECKING:
    from bridge.wire.codec import Envelope

Floats = NDArray[np.float32]
GOAL = 1.3
WAYS = ("one copy in memory", "shared memory", "inline over ipc")
UP_SECONDS = 30.0
SHOT, FRAME = "bench", 1001


@dataclass(frozen=True)
class Frame:
    """What travels: rgb H×W×3 and trimap H×W there, alpha H×W back, all float32."""

    rgb: Floats
    trimap: Floats

    @classmethod
    def sized(cls, width: int, height: int) -> Frame:
        random = np.random.default_rng(1)
        return cls(random.random((height, width, 3), np.float32), random.random((height, width), np.float32))

    @property
    def size(self) -> int:
        """Bytes that travel."""
        return self.rgb.nbytes + 2 * self.trimap.nbytes


def run(sizes: list[tuple[int, int]], *, repeats: int, console: Console, stop: Stop) -> None:
    """Measure and print the table. Raises ResourceError when the other process does not start."""
    from .tables import rendered

    rows = []
    stop.careful = True
    with echo() as client:
        for width, height in sizes:
            console.note(f"Measuring {width}×{height}")
            frame = Frame.sized(width, height)
            with trips(frame, client) as measured:
                copy, *ways = best(measured, repeats, stop)
            for way, took in zip(WAYS, (copy, *ways), strict=True):
                goal = "" if way != "shared memory" else "goal reached" if took <= GOAL * copy else f"goal missed: {GOAL} ×"
                rows.append((f"{width}×{height}", f"{frame.size / 1e6:.1f} MB", way, f"{took * 1e3:.2f} ms", f"{took / copy:.2f} ×", goal))
    titles = ("size", "RGB, trimap, alpha", "way", "there and back", "of one copy", "")
    console.say(rendered(titles, rows, title="Pixels to another process and back, nothing solved", left=3))
    console.say(f"float32; the shortest of {repeats} times; alpha written in place in shared memory, or sent as a part of its own")
    console.say(f"command: {' '.join(['videomatte', *sys.argv[1:]])}")


@contextmanager
def trips(frame: Frame, client: Client) -> Iterator[tuple[Callable[[], None], ...]]:
    """Give what is measured: one copy of all bytes, the way through shared memory, the way over the socket."""
    assert client.welcome is not None
    assert client.welcome.shared_folder is not None
    shapes = {"plate": frame.rgb.shape, "trimap": frame.trimap.shape, "alpha": frame.trimap.shape}
    with SharedFrame(Path(client.welcome.shared_folder), {n: Picture("float32", shape) for n, shape in shapes.items()}) as shared:
        yield copied(frame), through_memory(frame, client, shared), inline(frame, client)


def copied(frame: Frame) -> Callable[[], None]:
    """Return what copies all bytes once."""
    sources = (frame.rgb, frame.trimap, frame.trimap)
    targets = [np.ones_like(source) for source in sources]

    def trip() -> None:
        for target, source in zip(targets, sources, strict=True):
            np.copyto(target, source)

    return trip


def through_memory(frame: Frame, client: Client, shared: SharedFrame) -> Callable[[], None]:
    """Return what writes a frame into shared memory and has its alpha written there."""
    plate, trimap, alpha = (np.asarray(shared[name]) for name in ("plate", "trimap", "alpha"))
    given = (ShotFrame(SHOT, FRAME, shared.pixels("plate")), ShotFrame(SHOT, FRAME, shared.pixels("trimap"), "trimap"))
    asked = (*given, ShotResult(SHOT, FRAME, how="shared", into=shared.pixels("alpha")))

    def trip() -> None:
        np.copyto(plate, frame.rgb)
        np.copyto(trimap, frame.trimap)
        answered(client, *((message, []) for message in asked))
        check(alpha, frame)

    return trip


def inline(frame: Frame, client: Client) -> Callable[[], None]:
    """Return what sends a frame as parts of messages and has its alpha sent back as one."""
    plate, trimap = (InlinePixels("float32", pixels.shape) for pixels in (frame.rgb, frame.trimap))
    given = ((ShotFrame(SHOT, FRAME, plate), [frame.rgb]), (ShotFrame(SHOT, FRAME, trimap, "trimap"), [frame.trimap]))

    def trip() -> None:
        end = answered(client, *given, (ShotResult(SHOT, FRAME, how="inline"), []))
        check(np.frombuffer(end.parts[0], np.float32).reshape(frame.trimap.shape), frame)

    return trip


def answered(client: Client, *asked: tuple[Any, list[Any]]) -> Envelope:
    """Ask everything at once and return the last answer. Raises the error that something ends with."""
    last = [client.send(message, parts=[memoryview(part) for part in parts]) for message, parts in asked][-1]
    open_requests = len(asked)
    end = None
    while open_requests:
        for envelope in client.poll(wait=UP_SECONDS):
            if isinstance(envelope.message, Error):
                raise envelope.message.exception()
            open_requests -= 1
            end = envelope if envelope.request == last else end
    assert end is not None
    return end


def check(alpha: Floats, frame: Frame) -> None:
    """Raise ResourceError when what came back is not what was sent, looking at a few pixels."""
    if alpha.shape != frame.trimap.shape or not np.array_equal(alpha[::97, ::97], frame.trimap[::97, ::97]):
        raise ResourceError("The pixels that came back are not those that were sent.", remedy="Please report it.")


def best(measured: tuple[Callable[[], None], ...], repeats: int, stop: Stop) -> list[float]:
    """Return the shortest of so many times of each, in seconds, taken in turns; once more before, to warm up."""
    found: list[list[float]] = [[] for _ in measured]
    for _ in range(repeats + 1):
        for times, trip in zip(found, measured, strict=True):
            stop.check()
            begun = time.perf_counter()
            trip()
            times.append(time.perf_counter() - begun)
    return [min(times[1:]) for times in found]


@contextmanager
def echo() -> Iterator[Client]:
    """Run the other process in folders of its own and give a client of it. Raises ResourceError when it does not start."""
    with tempfile.TemporaryDirectory(prefix="videomatte-bench-") as folder:
        command = [sys.executable, "-m", "bridge.daemon.echo"]
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            where = process.stdout.readline().strip()
            if not where:
                raise ResourceError("The other process ended as it began.", remedy="`videomatte doctor` may say why.")
            with Client(name="bench", connection=Path(where)) as client:
                client.call(Ping(), timeout=UP_SECONDS)
                yield client
            process.stdin.close()
