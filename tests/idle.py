"""What an idle watcher costs: `python tests/idle.py` lays 10,000 files, watches them at the default interval and prints CPU and memory."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

WARM = 12.0


def lay(folder: Path, *, files: int, shots: int) -> None:
    """Lay empty plates, evenly into so many shots."""
    for shot in range(shots):
        place = folder / f"sh{shot:03d}"
        place.mkdir(parents=True)
        for frame in range(files // shots):
            (place / f"plate.{frame:05d}.exr").touch()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        lay(folder / "in", files=typed.files, shots=typed.shots)
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        command = [sys.executable, "-m", "bridge.cli", "watch", str(folder / "in"), "--out", str(folder / "out"), "--no-launch", "--json"]
        process = psutil.Process((watcher := subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)).pid)
        time.sleep(WARM)
        before, memory = sum(process.cpu_times()[:2]), process.memory_info().rss
        time.sleep(typed.seconds)
        used, after = sum(process.cpu_times()[:2]) - before, process.memory_info().rss
        watcher.terminate()
        watcher.wait()
    print(f"{typed.files} files in {typed.shots} shots: {100 * used / typed.seconds:.2f} % of a core, {after / 2**20:.0f} MiB")
    print(f"memory grew by {(after - memory) / 2**10:.0f} KiB in {typed.seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
