"""A soak: short shots arrive at random in a watched folder while watcher, daemon and workers are killed at random.

`python tests/soak.py --shots 300 --minutes 10` prints a table and ends with 1 when a shot was lost, solved twice or is not whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from shots import disc, picture, trimap, write_exr, write_png

from bridge import exr
from bridge.watch.beside import read_done, read_status
from bridge.wire.client import Client
from bridge.wire.errors import VideoMatteError
from bridge.wire.messages import DaemonShutdown, DaemonStatus

WIDTH, HEIGHT = 48, 32
LENGTHS = (3, 4, 5, 6)
PLACES = ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR")
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Outcome:
    """What a soak came to. `wrong`: every fault found, as a sentence; `kills`: how often each process was killed."""

    shots: int = 0
    frames: int = 0
    done: int = 0
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    most_memory: int = 0
    waits: list[float] = field(default_factory=list)


class Soak:
    """One soak in a folder of its own."""

    def __init__(self, folder: Path, *, shots: int, seconds: float, kills: int, seed: int) -> None:
        self.folder, self.seconds, self.kills, self.random = folder, seconds, kills, random.Random(seed)
        self.inside, self.out = folder / "in", folder / "out"
        self.plan = sorted((self.random.random() * seconds, f"sh{i:04d}", self.random.choice(LENGTHS)) for i in range(shots))
        self.arrived: dict[str, float] = {}
        self.outcome = Outcome(shots=shots, frames=sum(length for _, _, length in self.plan))
        self.watcher: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            **{name: str(folder / name.split("_")[1].lower() if "_" in name else folder / "tmp") for name in PLACES},
        }

    def run(self) -> Outcome:
        """Do it all and return what it came to."""
        for place in (self.inside, self.out, *(Path(self.environment[name]) for name in PLACES)):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = time.monotonic()
        deliverer = threading.Thread(target=self._deliver, args=(begun,), daemon=True)
        deliverer.start()
        self._watch()
        strikes = sorted(self.random.random() * self.seconds for _ in range(self.kills))
        done: dict[str, float] = {}
        until = begun + self.seconds + 120 + 3.0 * len(self.plan)
        while len(done) < len(self.plan) and time.monotonic() < until:
            while strikes and time.monotonic() - begun > strikes[0]:
                strikes.pop(0)
                self._strike()
            for _, name, _ in self.plan:
                if name not in done and name in self.arrived and (self.out / name / "done.json").exists():
                    done[name] = time.monotonic() - self.arrived[name]
            if self.watcher is not None and self.watcher.poll() is not None:
                self._watch()
            time.sleep(0.3)
        deliverer.join()
        self.outcome.seconds, self.outcome.done, self.outcome.waits = time.monotonic() - begun, len(done), sorted(done.values())
        self._end()
        self._check()
        return self.outcome

    def _deliver(self, begun: float) -> None:
        """Write the shots at their times, frame by frame, some of them in two parts."""
        luck = random.Random(self.outcome.frames)
        for at, name, length in self.plan:
            time.sleep(max(0.0, begun + at - time.monotonic()))
            folder = self.inside / name
            write_png(folder / "trimap.1001.png", trimap(disc(0, width=WIDTH, height=HEIGHT)))
            for frame in range(length):
                self._frame(folder / f"plate.{1001 + frame}.exr", frame, slowly=luck.random() < 0.3)
            self.arrived[name] = time.monotonic()

    def _frame(self, path: Path, frame: int, *, slowly: bool) -> None:
        whole = write_exr(self.folder / "render.exr", picture(disc(frame, width=WIDTH, height=HEIGHT), seed=frame)).read_bytes()
        with path.open("wb") as file:
            file.write(whole[: len(whole) // 2])
            file.flush()
            time.sleep(0.4 if slowly else 0.0)
            file.write(whole[len(whole) // 2 :])

    def _watch(self) -> None:
        options = ["--settle", "1", "--interval", "0.5", "--json", "--no-report", "--out", str(self.out)]
        with (self.folder / "watch.log").open("ab") as log:
            command = [sys.executable, "-m", "bridge.cli", "watch", str(self.inside), *options]
            self.watcher = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment, cwd=ROOT)

    def _strike(self) -> None:
        """Kill one of the three by force."""
        what = self.random.choice(("watcher", "daemon", "worker"))
        with suppress(OSError, VideoMatteError, psutil.Error):
            if what == "watcher" and self.watcher is not None:
                self.watcher.kill()
                self.watcher.wait()
                self.outcome.kills[what] += 1
                self._watch()
                return
            with self._client() as client:
                state = client.call(DaemonStatus(), timeout=5.0)
            self.outcome.most_memory = max(self.outcome.most_memory, state.memory)
            pids = [state.pid] if what == "daemon" else [device.pid for device in state.devices if device.pid]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                self.outcome.kills[what] += 1

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with Client(
            name="soak", connection=Path(self.environment["XDG_RUNTIME_DIR"]) / "videomatte" / "daemon.json", patience=3.0
        ) as client:
            yield client

    def _end(self) -> None:
        if self.watcher is not None:
            self.watcher.terminate()
            self.watcher.wait(30)
        with suppress(VideoMatteError), self._client() as client:
            client.call(DaemonShutdown(now=True), timeout=10.0)

    def _check(self) -> None:
        """Find every fault there is."""
        for _, name, length in self.plan:
            self.outcome.wrong += [f"{name}: {fault}" for fault in faults(self.out / name, range(1001, 1001 + length))]
        left = [str(path) for path in self.out.rglob(".videomatte~*")]
        self.outcome.wrong += [f"left behind: {path}" for path in left]


def faults(out: Path, frames: range) -> Iterator[str]:
    """Yield what is wrong with a delivery: every matte decodes and is ours, was made once, and nothing is claimed any more."""
    done = read_done(out)
    if done is None:
        yield f"not done: {json.dumps(read_status(out))}"
        return
    for frame in frames:
        path = out / f"matte.{frame}.exr"
        try:
            exr.read_channel(path)
        except VideoMatteError as error:
            yield error.message
            continue
        if "content" not in (exr.read_provenance(path) or {}):
            yield f"frame {frame} is not ours"
    versions = sorted(path.name for path in (out / f"{out.name}.vmatte" / "alpha").iterdir())
    if versions != ["v001"]:
        yield f"was solved more than once: {', '.join(versions)}"
    if list(out.rglob("*.claim")):
        yield "is still claimed"


def table(outcome: Outcome) -> str:
    """Return the outcome as Markdown."""
    waits = outcome.waits or [0.0]
    rows = {
        "shots, frames": f"{outcome.shots}, {outcome.frames}",
        "seconds": f"{outcome.seconds:.0f}",
        "killed: watcher, daemon, worker": ", ".join(str(outcome.kills[what]) for what in ("watcher", "daemon", "worker")),
        "delivered and whole": str(outcome.done),
        "lost, solved twice or damaged": str(len(outcome.wrong)),
        "seconds from the last frame to done: middle, worst": f"{waits[len(waits) // 2]:.1f}, {waits[-1]:.1f}",
        "most memory of the daemon": f"{outcome.most_memory / 2**20:.0f} MiB",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shots", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=6)
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vm-") as folder:
        outcome = Soak(Path(folder), shots=typed.shots, seconds=60 * typed.minutes, kills=typed.kills, seed=typed.seed).run()
    print(table(outcome))
    for fault in outcome.wrong:
        print(fault)
    return 1 if outcome.wrong or outcome.done < outcome.shots else 0


if __name__ == "__main__":
    sys.exit(main())
