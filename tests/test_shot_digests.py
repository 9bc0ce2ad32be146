"""What is remembered of files: never wrong, and gone without harm."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from bridge import exr
from bridge.shot import digests as remembered
from bridge.shot.content import file_digest
from bridge.shot.digests import Digests
from bridge.window import Window
from bridge.wire.errors import ImageError


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that are read to be digested, as they are."""
    found: list[Path] = []

    def noted(path: Path, *, frame: int | None = None) -> str:
        found.append(path)
        return file_digest(path, frame=frame)

    monkeypatch.setattr(remembered, "file_digest", noted)
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file that is written now be ten seconds old."""
    now = time.time
    monkeypatch.setattr(remembered.time, "time", lambda: now() + 10)


def test_a_file_is_read_once_and_again_after_it_changed(tmp_path: Path, read: list[Path], later: None) -> None:
    path, digests = tmp_path / "plate.exr", Digests(tmp_path / "digests.json")
    path.write_bytes(b"one")
    assert digests(path) == digests(path) == file_digest(path)
    digests.save()
    assert Digests(tmp_path / "digests.json")(path) == file_digest(path)
    assert len(read) == 1
    path.write_bytes(b"two")
    assert Digests(tmp_path / "digests.json")(path) == file_digest(path)
    assert len(read) == 2


def test_a_young_file_is_not_remembered(tmp_path: Path, read: list[Path]) -> None:
    path, digests = tmp_path / "plate.exr", Digests(tmp_path / "digests.json")
    path.write_bytes(b"one")
    status = path.stat()
    first = digests(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digests(path) == file_digest(path) != first
    digests.save()
    assert not (tmp_path / "digests.json").exists()


def test_a_file_of_the_same_size_and_time_is_known_for_another(tmp_path: Path, read: list[Path], later: None) -> None:
    path, digests = tmp_path / "plate.exr", Digests(tmp_path / "digests.json")
    path.write_bytes(b"one")
    status, first = path.stat(), digests(path)
    time.sleep(0.02)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert digests(path) != first


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"inputs": 3}', '{"inputs": {"a": 1}, "results": {}}', '{"inputs": {}, "results": {"a": []}}']
)
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, text: str, later: None) -> None:
    (tmp_path / "digests.json").write_text(text)
    (tmp_path / "plate.exr").write_bytes(b"one")
    digests = Digests(tmp_path / "digests.json")
    assert digests(tmp_path / "plate.exr") == file_digest(tmp_path / "plate.exr")
    digests.save()
    assert list(json.loads((tmp_path / "digests.json").read_text())["inputs"]) == ["plate.exr"]


def test_a_result_is_known_under_all_its_names(tmp_path: Path, later: None, monkeypatch: pytest.MonkeyPatch) -> None:
    like = exr.bare_header(Window(0, 0, 4, 4), display=Window(0, 0, 4, 4))
    facts = {"content": "abc", "confidence": "0.750"}
    exr.write_trimap(tmp_path / "a.exr", np.zeros((4, 4), np.float32), like=like, attributes=facts)
    os.link(tmp_path / "a.exr", tmp_path / "b.exr")
    digests = Digests(tmp_path / "digests.json")
    assert digests.result(tmp_path / "a.exr") == ("abc", "0.750")
    monkeypatch.setattr(exr, "read_provenance", None)
    assert digests.result(tmp_path / "b.exr") == ("abc", "0.750")
    digests.save()
    assert Digests(tmp_path / "digests.json").result(tmp_path / "b.exr") == ("abc", "0.750")


def test_what_is_not_ours_or_not_there_has_no_content(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(b"x")
    digests = Digests(tmp_path / "digests.json")
    assert (digests.result(tmp_path / "a.exr"), digests.result(tmp_path / "b.exr")) == (None, None)
    with pytest.raises(ImageError, match=r"b\.exr cannot be read"):
        digests(tmp_path / "b.exr", frame=3)
