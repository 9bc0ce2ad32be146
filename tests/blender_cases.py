"""What the tests in Blender share: a daemon, the Blenders that are asked for, a small shot and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blender import Blender, asked_for, blender_in, python_of
from daemons import Daemon, daemon_in
from shots import Shot, make_shot, trimap

FRAMES = 4
FIRST = 1001


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture(scope="module", params=asked_for())
def blender(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blender]:
    with blender_in(tmp_path_factory.mktemp("b"), python_of(request.param)) as blender:
        yield blender


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "plates", frames=FRAMES, first=FIRST)


def plate(shot: Shot, **more: Any) -> dict[str, Any]:
    """Return the arguments of a sequence node that plays a shot's plate from scene frame 1."""
    first = shot.frames[0]
    given = {"first_file": shot.plate.replace("####", str(first)), "start": 1, "offset": first - 1, "count": len(shot.frames)}
    return {**given, **more}


def key(shot: Shot, frame: int) -> list[list[float]]:
    """Return the rows of a frame's trimap, from the top."""
    rows: list[list[float]] = trimap(shot.truth[frame]).tolist()
    return rows


def files(folder: str | Path, name: str = "alpha") -> list[str]:
    """Return the names of a sequence's files."""
    return sorted(path.name for path in Path(folder).glob(f"{name}.*.exr"))
