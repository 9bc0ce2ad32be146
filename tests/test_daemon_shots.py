"""Shots over the wire, with a real daemon: folders, keys, pixels of hosts without files, locks, previews, results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from daemons import Daemon, daemon_in, described
from shots import Shot, make_shot, picture, read_exr, trimap, write_exr

from bridge import exr
from bridge.wire import messages as wire
from bridge.wire.client import Client
from bridge.wire.description import Description
from bridge.wire.errors import ShotError, TrimapError, UnknownShotError, UsageError, WindowError
from bridge.wire.pixels import FilePixels, InlinePixels
from bridge.wire.shared import Picture, SharedFrame

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_in(tmp_path_factory.mktemp("d")) as daemon:
        yield daemon


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with daemon.client() as client:
        yield client


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "plates of é", frames=7, first=1001, keys=(1001,), width=WIDTH, height=HEIGHT)


def opened(client: Client, shot: Shot, folder: Path) -> str:
    return client.open(Description(plate=shot.plate, trimap=shot.keys), folder=str(folder))


def solved(client: Client, name: str, **asked: str) -> wire.JobResult:
    *_, end = client.solve(name, **asked)
    assert isinstance(end, wire.JobResult)
    return end


def states(client: Client, name: str) -> dict[int, str]:
    """Return the state of every frame of a shot, and its flags."""
    found = {}
    for run in client.call(wire.ShotStatus(name)).frames:
        for frame in range(run.first, run.last + 1, run.step or 1):
            found[frame] = " ".join((run.state, *run.flags))
    return found


def key_at(shot: Shot, frame: int, folder: Path) -> FilePixels:
    return FilePixels(str(write_exr(folder / f"painted.{frame}.exr", trimap(shot.truth[frame]))))


def test_a_second_key_makes_only_its_own_frames_new(client: Client, shot: Shot, tmp_path: Path) -> None:
    name = opened(client, shot, tmp_path / "a shot.vmatte")
    client.call(wire.ShotKey(name, 1003, "set", key_at(shot, 1003, tmp_path)))
    first = solved(client, name)
    assert (first.solved, first.kept) == ("1001-1007", "")
    assert set(states(client, name).values()) == {"solved", "solved key"}
    client.call(wire.ShotKey(name, 1005, "set", key_at(shot, 1005, tmp_path)))
    assert {f for f, state in states(client, name).items() if state.startswith("stale")} == {1002, 1003, 1004, 1005, 1006, 1007}
    second = solved(client, name)
    assert (second.solved, second.kept) == ("1002-1007", "1001")
    assert second.version is not None
    assert first.version is not None
    same = [f for f in range(1001, 1008) if _file(first, f).samefile(_file(second, f))]
    assert same == [1001]


def _file(result: wire.JobResult, frame: int) -> Path:
    assert result.version is not None
    return Path(result.version) / f"alpha.{frame}.exr"


def test_a_locked_frame_keeps_its_file_and_is_shown_as_stale_and_locked(client: Client, shot: Shot, tmp_path: Path) -> None:
    name = opened(client, shot, tmp_path / "locked.vmatte")
    before = solved(client, name)
    client.call(wire.ShotLock(name, "1002-1003"))
    client.call(wire.ShotKey(name, 1004, "set", key_at(shot, 1004, tmp_path)))
    after = solved(client, name)
    assert after.solved == "1001,1004-1007"
    assert states(client, name)[1002] == "stale locked"
    assert [_file(before, f).samefile(_file(after, f)) for f in (1002, 1003, 1004)] == [True, True, False]
    client.call(wire.ShotLock(name, "1002-1003", locked=False))
    assert solved(client, name).solved == "1002-1003"


def test_a_removed_key_is_gone_and_one_that_was_not_there_is_an_error(client: Client, shot: Shot, tmp_path: Path) -> None:
    name = opened(client, shot, tmp_path / "keys.vmatte")
    client.call(wire.ShotKey(name, 1004, "set", key_at(shot, 1004, tmp_path)))
    client.call(wire.ShotKey(name, 1004, "remove"))
    assert client.call(wire.ShotStatus(name)).keys == (1001,)
    with pytest.raises(TrimapError, match="1004"):
        client.call(wire.ShotKey(name, 1004, "remove"))
    with pytest.raises(UsageError, match="none came"):
        client.call(wire.ShotKey(name, 1004, "set"))


@pytest.mark.parametrize("how", ["inline", "shared"])
def test_a_host_without_files_gives_pixels_and_gets_its_alpha_back(client: Client, shot: Shot, tmp_path: Path, how: str) -> None:
    folder = tmp_path / f"pixels {how}.vmatte"
    name = client.open(Description(), folder=str(folder))
    assert client.welcome is not None
    assert client.welcome.shared_folder is not None
    room = {"plate": Picture("float32", (HEIGHT, WIDTH, 4)), "trimap": Picture("float32", (HEIGHT, WIDTH))}
    room["alpha"] = Picture("float32", (HEIGHT, WIDTH))
    with SharedFrame(Path(client.welcome.shared_folder), room, rows="up") as frame:

        def give(number: int, what: str, values: np.ndarray) -> None:
            if how == "shared":
                np.asarray(frame[what])[...] = values[::-1]
                client.call(wire.ShotFrame(name, number, frame.pixels(what), what=what))  # type: ignore[arg-type]
            else:
                data = np.ascontiguousarray(values, np.float32)
                client.call(wire.ShotFrame(name, number, InlinePixels("float32", data.shape), what=what), parts=[data])  # type: ignore[arg-type]

        for number in (-1, 0, 1):
            rgb = picture(shot.truth[1002 + number])
            rgb[3, 5] = (37.5, -0.02, 0.5)
            give(number, "plate", np.dstack([rgb, np.ones_like(rgb[..., :1])]))
        give(-1, "trimap", trimap(shot.truth[1001]))
        result = solved(client, name)
        assert (result.solved, states(client, name)[-1]) == ("-1-1", "solved key")
        plate = exr.read_plate(folder / "plate" / "plate.0000.exr")
        assert np.array_equal(plate.rgb[3, 5], np.float32([37.5, -0.02, 0.5]))
        assert plate.header.colour_hints.interop_id == "lin_rec709_scene"
        written = read_exr(Path(result.version or "") / "alpha.0000.exr")[..., 3]
        if how == "shared":
            found = client.call(wire.ShotResult(name, 0, how="shared", into=frame.pixels("alpha")))
            alpha = np.array(frame["alpha"])[::-1]
        else:
            found, pixels = client.pixels(wire.ShotResult(name, 0, how="inline"))
            assert pixels is not None
            alpha = np.frombuffer(pixels, np.float32).reshape(HEIGHT, WIDTH)
        assert found.state == "solved"
        assert np.array_equal(alpha, written)


def test_a_preview_comes_before_anything_is_solved_and_changes_nothing(client: Client, shot: Shot, tmp_path: Path) -> None:
    folder = tmp_path / "preview.vmatte"
    name = opened(client, shot, folder)
    *_, end = client.stream(wire.ShotPreview(name, 1004))
    assert isinstance(end, wire.FrameResult)
    assert isinstance(end.pixels, FilePixels)
    alpha = read_exr(Path(end.pixels.path))[..., 3]
    assert np.abs(alpha - shot.truth[1004]).mean() < 0.03
    assert (exr.read_provenance(end.pixels.path) or {})["profile"] == "draft"
    assert set(states(client, name).values()) == {"unsolved", "unsolved key"}
    assert not (folder / "alpha").exists()


def test_a_preview_into_memory_of_another_size_is_an_error(client: Client, shot: Shot, tmp_path: Path) -> None:
    name = opened(client, shot, tmp_path / "size.vmatte")
    assert client.welcome is not None
    assert client.welcome.shared_folder is not None
    with SharedFrame(Path(client.welcome.shared_folder), {"alpha": Picture("float32", (10, 10))}) as frame:
        with pytest.raises(WindowError, match="room for"):
            list(client.stream(wire.ShotPreview(name, 1004, how="shared", into=frame.pixels("alpha"))))
        with pytest.raises(UsageError, match="where"):
            list(client.stream(wire.ShotPreview(name, 1004, how="shared")))


def test_a_loose_shot_tells_its_frames_and_has_neither_keys_nor_locks(client: Client, shot: Shot, tmp_path: Path) -> None:
    name = client.open(described(shot, tmp_path / "out", frames="1001-1003"))
    assert set(states(client, name).values()) == {"unsolved", "unsolved key"}
    result = solved(client, name)
    assert (result.solved, result.version) == ("1001-1003", None)
    assert states(client, name) == {1001: "solved key", 1002: "solved", 1003: "solved"}
    found = client.call(wire.ShotResult(name, 1002))
    assert isinstance(found.pixels, FilePixels)
    assert found.pixels.path == str(tmp_path / "out" / "alpha.1002.exr")
    assert client.call(wire.ShotResult(name, 1005)).pixels is None
    with pytest.raises(UsageError, match="no folder"):
        client.call(wire.ShotLock(name, "1002"))
    with pytest.raises(UsageError, match="no trimap"):
        client.call(wire.ShotResult(name, 1002, kind="trimap"))


def test_a_shot_that_is_closed_or_damaged_is_an_error_and_the_daemon_lives(client: Client, shot: Shot, tmp_path: Path) -> None:
    name = opened(client, shot, tmp_path / "closed.vmatte")
    client.call(wire.ShotClose(name))
    with pytest.raises(UnknownShotError):
        client.call(wire.ShotStatus(name))
    again = opened(client, shot, tmp_path / "closed.vmatte")
    assert again == name
    (tmp_path / "closed.vmatte" / "shot.json").write_text("{")
    with pytest.raises(ShotError, match=r"shot\.json"):
        client.call(wire.ShotStatus(name))
    with pytest.raises(ShotError, match=r"shot\.json"):
        solved(client, name)
    assert client.call(wire.Ping()) == wire.Pong()


def test_a_host_that_closes_a_shot_takes_it_from_no_other(client: Client, daemon: Daemon, shot: Shot, tmp_path: Path) -> None:
    name = opened(client, shot, tmp_path / "both.vmatte")
    with daemon.client(name="other") as other:
        assert opened(other, shot, tmp_path / "both.vmatte") == name
        other.call(wire.ShotClose(name))
        assert client.call(wire.ShotStatus(name)).keys == (1001,)
    client.call(wire.ShotClose(name))
    with pytest.raises(UnknownShotError):
        client.call(wire.ShotStatus(name))


def test_relative_paths_are_refused(client: Client) -> None:
    with pytest.raises(UsageError, match="whole path"):
        client.open(Description(plate="plate.####.exr", trimap="key.####.png", out="out.####.exr"))
