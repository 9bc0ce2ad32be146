"""The folder `wire` alone, copied under another name, on the Pythons of the hosts, in empty environments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from daemons import Daemon, daemon_in, described
from shots import make_shot

ROOT = Path(__file__).resolve().parents[1]
OURS = ("pyzmq", "msgpack")
OLDEST = ("pyzmq==22.3.0", "msgpack==1.0.0")
HOSTS = [("3.9", OURS), ("3.9", OLDEST), ("3.10", OURS), ("3.11", OURS), ("3.13", OURS)]

TALK = """
import json, sys
from pathlib import Path
from nodes.videomatte_wire.client import Client
from nodes.videomatte_wire.description import Description
from nodes.videomatte_wire.errors import UnknownShotError
from nodes.videomatte_wire.messages import JobAccepted, JobResult, Ping, Pong, ShotStatus
from nodes.videomatte_wire.shared import Picture, SharedFrame

with Client(name="host", connection=Path(sys.argv[1])) as client:
    assert client.call(Ping()) == Pong()
    assert client.welcome.protocol == (1, 0)
    with SharedFrame(Path(client.welcome.shared_folder), {"alpha": Picture("float32", (4, 6))}) as frame:
        frame["alpha"][3, 5] = 0.5
    try:
        client.call(ShotStatus("nowhere"))
    except UnknownShotError as error:
        refused = error.code
    shot = client.open(Description(**json.loads(sys.argv[2])))
    told = list(client.solve(shot))
    assert isinstance(told[0], JobAccepted) and isinstance(told[-1], JobResult)
    solved = told[-1].solved
strangers = sorted({"bridge", "torch", "numpy", "cv2"} & set(sys.modules))
print(json.dumps({"python": sys.version_info[:2], "refused": refused, "solved": solved, "strangers": strangers}))
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


def interpreter(version: str) -> Path:
    """Return a Python of this version; skip the test when there is none."""
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    found = [*installed, *(Path(p) for p in [shutil.which(f"python{version}")] if p)]
    for python in found:
        if subprocess.run([python, "-c", f"import sys; sys.exit(sys.version_info[:2] != ({version.replace('.', ',')}))"]).returncode == 0:
            return python
    pytest.skip(f"there is no Python {version} here")


def environment_of(python: Path, place: Path, packages: tuple[str, ...]) -> Path:
    """Make an environment that holds the packages and nothing else, and return its Python; skip the test when they cannot be had."""
    subprocess.run([python, "-m", "venv", place], check=True, capture_output=True, timeout=120)
    own = place / "bin" / "python"
    pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    got = subprocess.run(pip, capture_output=True, text=True, timeout=300)
    if got.returncode:
        pytest.skip(f"pip has no {' and '.join(packages)} for {python}: {got.stderr.strip().splitlines()[-1][:200]}")
    return own


@pytest.mark.slow
@pytest.mark.parametrize(("version", "packages"), HOSTS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_copy_of_wire_talks_to_the_daemon(version: str, packages: tuple[str, ...], daemon: Daemon, tmp_path: Path) -> None:
    python = environment_of(interpreter(version), tmp_path / "empty", packages)
    (tmp_path / "host" / "nodes").mkdir(parents=True)
    shutil.copytree(ROOT / "bridge" / "wire", tmp_path / "host" / "nodes" / "videomatte_wire", ignore=shutil.ignore_patterns("__pycache__"))
    shot = make_shot(tmp_path / "shot", frames=3, first=1001, keys=(1001,), width=48, height=32)
    command = [python, "-W", "error", "-c", TALK, daemon.connection, json.dumps(asdict(described(shot, tmp_path / "out")))]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(command, cwd=tmp_path / "host", env=clean, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    expected = [int(part) for part in version.split(".")]
    assert told == {"python": expected, "refused": "unknown.shot", "solved": "1001-1003", "strangers": []}
    assert ran.stderr == ""
