"""Shared memory: made, opened, locked, swept, refused."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bridge.wire.errors import InputError, NotAllowedError, StorageError
from bridge.wire.pixels import SharedPixels
from bridge.wire.shared import Picture, SharedFile, SharedFiles, SharedFrame, picture_view, sweep

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {"plate": Picture("float32", (3, 5, 3)), "trimap": Picture("uint8", (3, 5)), "alpha": Picture("float32", (3, 5))}
OWNER = """
import sys
from pathlib import Path
from bridge.wire.shared import SharedFile
SharedFile.create(Path(sys.argv[1]), size=4096)
print("made", flush=True)
sys.stdin.readline()
"""


def test_a_result_is_written_in_place(tmp_path: Path) -> None:
    with SharedFrame(tmp_path, PICTURES) as frame:
        np.asarray(frame["plate"])[:] = np.arange(45, dtype=np.float32).reshape(3, 5, 3)
        with SharedFile.open(tmp_path, frame.file.path.name, size=frame.file.size) as other:
            plate, alpha = picture_view(other, frame.pixels("plate")), picture_view(other, frame.pixels("alpha"))
            assert (plate.shape, plate.format, plate[2, 4, 2]) == ((3, 5, 3), "f", 44.0)
            alpha[2, 3] = 0.25
            plate.release()
            alpha.release()
        assert np.asarray(frame["alpha"])[2, 3] == 0.25


def test_pictures_begin_at_multiples_of_64_bytes_and_do_not_touch(tmp_path: Path) -> None:
    with SharedFrame(tmp_path, PICTURES, rows="up") as frame:
        pixels = [frame.pixels(name) for name in PICTURES]
        assert [p.offset for p in pixels] == [0, 192, 256]
        assert {p.rows for p in pixels} == {"up"}
        assert frame.file.size == 320
        np.asarray(frame["trimap"])[:] = 255
        assert np.asarray(frame["plate"]).max() == np.asarray(frame["alpha"]).max() == 0


def test_a_file_is_its_owners_alone_and_gone_when_it_is_closed(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = SharedFile.create(tmp_path, size=10_000)
    finally:
        os.umask(before)
    found = file.path.stat()
    assert (found.st_mode & 0o777, found.st_size, found.st_blocks * 512 >= 10_000) == (0o600, 10_000, True)
    file.close()
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_memory_that_somebody_looks_at_stays_until_they_look_away(tmp_path: Path) -> None:
    frame = SharedFrame(tmp_path, PICTURES)
    kept = np.asarray(frame["alpha"])
    kept[:] = 0.5
    frame.close()
    assert list(tmp_path.iterdir()) == []
    assert kept.sum() == 7.5
    del kept, frame
    gc.collect()


def test_files_that_are_used_again_stay_mapped_until_their_owner_removes_them(tmp_path: Path) -> None:
    files = SharedFiles(tmp_path, most=2)
    owners = [SharedFile.create(tmp_path, size=4096) for _ in range(3)]
    names = [owner.path.name for owner in owners]
    first = files.get(names[0], size=100)
    assert files.get(names[0], size=4096 - 1) is not first
    kept = files.get(names[0], size=100)
    assert files.get(names[0], size=64) is kept
    owners[0].close()
    with pytest.raises(InputError):
        files.get(names[0], size=64)
    (tmp_path / names[0]).write_bytes(bytes(4096))
    (tmp_path / names[0]).chmod(0o600)
    assert files.get(names[0], size=64) is not kept
    second = files.get(names[1], size=64)
    files.get(names[2], size=64)
    assert files.get(names[1], size=64) is second
    files.close()
    for owner in owners[1:]:
        owner.close()
    assert Path("/proc/self/maps").read_text().count(".pixels") == 0


def test_a_mapped_file_that_was_cut_is_not_used_again(tmp_path: Path) -> None:
    files = SharedFiles(tmp_path)
    with SharedFile.create(tmp_path, size=8192) as owner:
        files.get(owner.path.name, size=8192)
        os.truncate(owner.path, 4096)
        with pytest.raises(InputError, match="has 4096 bytes, 8192 are needed"):
            files.get(owner.path.name, size=8192)
    files.close()


def test_blocks_that_a_client_did_not_reserve_are_reserved_when_its_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sparse.pixels"
    path.touch(mode=0o600)
    os.truncate(path, 1 << 20)
    assert path.stat().st_blocks == 0
    with SharedFile.open(tmp_path, "sparse.pixels", size=1 << 20):
        assert path.stat().st_blocks * 512 >= 1 << 20
    os.truncate(path, 0)
    os.truncate(path, 1 << 20)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(StorageError, match="no room"):
        SharedFile.open(tmp_path, "sparse.pixels", size=1 << 20)


def test_closing_leaves_no_descriptor_and_no_mapping(tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count(".pixels")

    before = held()
    for _ in range(100):
        with SharedFrame(tmp_path, PICTURES) as frame:
            frame["alpha"][0, 0] = 1.0
    assert held() == before


def test_the_sweep_takes_what_dead_owners_left_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    owner = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "made\n"
    (left,) = tmp_path.iterdir()
    (tmp_path / "note.txt").write_text("mine")
    (tmp_path / "link.pixels").symlink_to(tmp_path / "note.txt")
    with SharedFile.create(tmp_path, size=64):
        assert sweep(tmp_path) == ()
        owner.kill()
        owner.communicate()
        assert sweep(tmp_path) == (left,)
        assert len(list(tmp_path.iterdir())) == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.pixels", "note.txt"]


@pytest.mark.parametrize("name", ["../a.pixels", "a/b.pixels", "", ".pixels", "a.txt", "a" * 65 + ".pixels", "a\x00.pixels", "a.pixels\n"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAllowedError):
        SharedFile.open(tmp_path, name, size=1)


def test_files_that_are_not_shared_memory_are_refused(tmp_path: Path) -> None:
    with SharedFile.create(tmp_path, size=64) as file:
        (tmp_path / "link.pixels").symlink_to(file.path)
        (tmp_path / "open.pixels").write_bytes(bytes(64))
        (tmp_path / "open.pixels").chmod(0o644)
        os.mkfifo(tmp_path / "pipe.pixels", 0o600)
        for name, kind in {"link": InputError, "missing": InputError, "open": NotAllowedError, "pipe": NotAllowedError}.items():
            with pytest.raises(kind):
                SharedFile.open(tmp_path, f"{name}.pixels", size=64)
        with pytest.raises(InputError, match="has 64 bytes, 65 are needed"):
            SharedFile.open(tmp_path, file.path.name, size=65)


@pytest.mark.parametrize(
    ("offset", "dtype", "shape"),
    [
        (4, "float32", (4, 4)),
        (0, "float32", (4, 5)),
        (2, "float32", (1, 1)),
        (0, "uint8", (0, 4)),
        (0, "uint8", (64,)),
        (2**36, "uint8", (1, 1)),
    ],
)
def test_a_picture_outside_its_file_is_refused(tmp_path: Path, offset: int, dtype: str, shape: tuple[int, ...]) -> None:
    with SharedFile.create(tmp_path, size=64) as file:
        assert picture_view(file, SharedPixels("a.pixels", 0, "float32", (4, 4))).nbytes == 64
        with pytest.raises(InputError):
            picture_view(file, SharedPixels("a.pixels", offset, dtype, shape))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, 2**36 + 1])
def test_a_size_that_is_not_allowed_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(InputError):
        SharedFile.create(tmp_path, size=size)


def test_without_room_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StorageError, match=r"4096 bytes cannot be made .* No space left"):
        SharedFile.create(tmp_path, size=4096)
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be made"):
        SharedFile.create(tmp_path / "nowhere", size=64)
