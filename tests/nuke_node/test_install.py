"""`videomatte install nuke`: what is copied, the line in init.py, and how both go away again."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.install import nuke as installation
from bridge.install import wheels
from bridge.wire.errors import ForeignFileError, ResourceError, StorageError, UsageError

Videomatte = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home" / ".nuke"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put an empty folder where wheels would be, and remember for which Pythons."""
    asked: list[str] = []

    def fetch(python: str, *, into: Path, wheels: Path | None = None) -> None:
        asked.append(python)
        (into / "zmq").mkdir(parents=True)

    monkeypatch.setattr(wheels, "fetch", fetch)
    return asked


def test_the_plug_in_is_copied_and_one_line_is_added(home: Path, fetched: list[str], videomatte: Videomatte) -> None:
    home.mkdir(parents=True)
    (home / "init.py").write_bytes(b"import nuke\r\nprint('mine')")
    ran = videomatte("install", "nuke", "--nuke-dir", home, "--python", "3.11")
    assert ran.status == 0, ran.said
    assert fetched == ["3.11"]
    line = installation.line(home)
    assert line in ran.out
    assert (home / "init.py").read_bytes() == b"import nuke\r\nprint('mine')\r\n" + line.encode() + b"\r\n"
    folder = home / "videomatte"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files >= {"init.py", "menu.py", "solve_in_batch.py", "gizmos/VideoMatte.gizmo"}
    assert files >= {"videomatte_nuke/__init__.py", "videomatte_nuke/wire/client.py"}
    assert [path for path in folder.rglob("*") if path.name in ("bridge", "__pycache__")] == []


def test_installing_again_changes_nothing_but_what_is_new(home: Path, fetched: list[str]) -> None:
    installation.install(home, pythons=("3.9",))
    before = (home / "init.py").read_text()
    installation.install(home, pythons=("3.11",))
    assert (home / "init.py").read_text() == before
    assert before.count("pluginAddPath") == 1
    names = sorted(path.name for path in (home / "videomatte" / "vendor").iterdir())
    assert names == sorted([wheels.folder_name("3.9"), wheels.folder_name("3.11")])
    assert sorted(path.name for path in home.iterdir()) == ["init.py", "videomatte"]


def test_uninstalling_gives_init_py_back_as_it_was(home: Path, fetched: list[str], videomatte: Videomatte) -> None:
    home.mkdir(parents=True)
    (home / "init.py").write_bytes(b"# mine\n\n")
    (home / "init.py").chmod(0o640)
    installation.install(home)
    assert stat.S_IMODE((home / "init.py").stat().st_mode) == 0o640
    assert fetched == list(installation.DEFAULT_PYTHONS)
    assert videomatte("install", "nuke", "--nuke-dir", home, "--uninstall").status == 0
    assert (home / "init.py").read_bytes() == b"# mine\n\n"
    assert sorted(path.name for path in home.iterdir()) == ["init.py"]
    again = videomatte("install", "nuke", "--nuke-dir", home, "--uninstall")
    assert again.status == 0
    assert "nothing to remove" in again.out


def test_an_init_py_that_was_ours_alone_goes_too(home: Path, fetched: list[str]) -> None:
    installation.install(home)
    assert installation.uninstall(home)
    assert list(home.iterdir()) == []


def test_the_line_does_nothing_when_the_folder_is_gone(home: Path) -> None:
    exec(compile(installation.line(home), "init.py", "exec"), {})


def test_the_line_adds_the_folder(home: Path, fetched: list[str], nuke: Any) -> None:
    installation.install(home)
    before = list(sys.path)
    exec(compile(installation.line(home), "init.py", "exec"), {})
    assert nuke.STATE.paths[0] == str(home / "videomatte")
    sys.path[:] = before


def test_a_strangers_folder_is_left_alone(home: Path, fetched: list[str]) -> None:
    (home / "videomatte").mkdir(parents=True)
    (home / "videomatte" / "plates.txt").write_text("mine")
    for act in (installation.install, installation.uninstall):
        with pytest.raises(ForeignFileError, match="something else"):
            act(home)
    assert (home / "videomatte" / "plates.txt").read_text() == "mine"


def test_a_link_in_place_of_init_py_stays_a_link(home: Path, tmp_path: Path, fetched: list[str]) -> None:
    home.mkdir(parents=True)
    (tmp_path / "dotfiles.py").write_text("# mine\n")
    (home / "init.py").symlink_to(tmp_path / "dotfiles.py")
    installation.install(home)
    assert (home / "init.py").is_symlink()
    assert (tmp_path / "dotfiles.py").read_text().startswith("# mine\nimport nuke")


def test_wheels_that_cannot_be_had_leave_the_old_plug_in(home: Path, tmp_path: Path, fetched: list[str], monkeypatch: Any) -> None:
    installation.install(home, pythons=())
    (home / "videomatte" / "kept").touch()
    monkeypatch.undo()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResourceError, match=r"pyzmq and msgpack for Python 3\.11"):
        installation.install(home, pythons=("3.11",), wheels=tmp_path / "empty")
    assert (home / "videomatte" / "kept").exists()
    assert sorted(path.name for path in home.iterdir()) == ["init.py", "videomatte"]


def test_a_full_disk_under_the_plug_in_is_said_with_the_file(home: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: str, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source, None, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match=r"videomatte.new.* cannot be written: No space left on device\.\n") as refused:
        installation.install(home)
    assert refused.value.remedy == "Free some space, or give another --nuke-dir."
    assert list(home.iterdir()) == []


def test_a_python_that_no_nuke_brings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Python 2\.7"):
        wheels.fetch("2.7", into=tmp_path)


def test_old_hosts_get_wheels_for_old_systems() -> None:
    words = " ".join(wheels.command("3.9", into=Path("x"), wheels=Path("w")))
    assert "--abi cp39 --abi abi3" in words
    assert "--no-index --find-links w" in words
    if sys.platform == "linux":
        assert "manylinux_2_28" not in words
        assert "manylinux2014_" in words


def test_the_plug_in_looks_for_wheels_where_they_are_put(plugin: Path, nuke: Any) -> None:
    from videomatte_nuke import vendor

    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert vendor.name() == wheels.folder_name(version)
    assert Path(vendor.folder()) == plugin / "vendor" / wheels.folder_name(version)
    assert os.path.basename(os.path.dirname(vendor.__file__ or "")) == "videomatte_nuke"


@pytest.mark.slow
def test_a_machine_without_a_network_installs_from_a_folder(home: Path, tmp_path: Path, videomatte: Videomatte) -> None:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python not in wheels.PYTHONS:
        pytest.skip(f"no Nuke brings Python {python}")
    fetched = [word for word in wheels.command(python, into=tmp_path) if word not in ("--no-compile", "--target", str(tmp_path))]
    download = [*fetched[:3], "download", "--dest", str(tmp_path / "wheels"), *fetched[4:]]
    got = subprocess.run(download, capture_output=True, text=True, timeout=300)
    if got.returncode:
        pytest.skip(f"pip cannot download: {got.stderr.strip().splitlines()[-1]}")
    ran = videomatte("install", "nuke", "--nuke-dir", home, "--python", python, "--offline", tmp_path / "wheels")
    assert ran.status == 0, ran.said
    place = home / "videomatte" / "vendor" / wheels.folder_name(python)
    code = "import zmq, msgpack; print(zmq.__file__); print(zmq.has('curve'))"
    alone = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.append({str(place)!r}); {code}"], capture_output=True, text=True
    )
    assert alone.stdout.splitlines() == [str(place / "zmq" / "__init__.py"), "True"], alone.stderr
