"""The Nuke plug-in in a folder of Nuke's own settings: `videomatte/` and one guarded line in `init.py`.

The rules:
- The new folder is complete before it takes the place of the old one; wheels for other Pythons are kept.
- The line does nothing when the folder is gone, and it is the only thing that is changed outside of the folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bridge.wire.errors import ForeignFileError, StorageError

from . import wheels as vendored
from .places import shipped, unwritten, wire

NAME = "videomatte"
MARK = "# VideoMatte: put here by `videomatte install nuke`"
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")
DEFAULT_PYTHONS = ("3.9", "3.10", "3.11")


def settings_folder() -> Path:
    """Return the folder in which Nuke looks for a person's own init.py."""
    return Path.home() / ".nuke"


def line(nuke_dir: Path) -> str:
    """Return the line that init.py gets."""
    place = _folder(nuke_dir).as_posix()
    return f"import nuke, os; os.path.isdir({place!r}) and nuke.pluginAddPath({place!r})  {MARK}"


def install(nuke_dir: Path, *, pythons: Sequence[str] = DEFAULT_PYTHONS, wheels: Path | None = None) -> Path:
    """Copy the plug-in into `nuke_dir` and add the line to its init.py; return the plug-in's folder.

    pythons: those that get pyzmq and msgpack; wheels: the folder they are taken from, without a network.
    Raises ForeignFileError when something else has the plug-in's name, StorageError, ResourceError, UsageError.
    """
    folder = _folder(nuke_dir)
    _check_ours(folder)
    unfinished, old = (folder.with_name(f".{NAME}.{state}") for state in ("new", "old"))
    try:
        for left in (unfinished, old):
            shutil.rmtree(left, ignore_errors=True)
        _copy(unfinished, before=folder, without=pythons)
        for python in pythons:
            vendored.fetch(python, into=unfinished / "vendor" / vendored.folder_name(python), wheels=wheels)
        if folder.exists():
            folder.rename(old)
        unfinished.rename(folder)
        _edit(folder.parent / "init.py", add=line(nuke_dir))
    except OSError as error:
        raise unwritten(error, folder, remedy="Free some space, or give another --nuke-dir.") from error
    finally:
        for left in (unfinished, old):
            shutil.rmtree(left, ignore_errors=True)
    return folder


def uninstall(nuke_dir: Path) -> bool:
    """Take the plug-in and its line away; return whether there was one. Raises ForeignFileError, StorageError."""
    folder = _folder(nuke_dir)
    _check_ours(folder)
    there = folder.exists()
    try:
        edited = _edit(folder.parent / "init.py", add=None)
        if there:
            shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"{error.filename or folder} cannot be removed: {error.strerror}.") from error
    return there or edited


def _folder(nuke_dir: Path) -> Path:
    return Path(os.path.abspath(os.path.expanduser(nuke_dir))) / NAME


def _check_ours(folder: Path) -> None:
    if folder.exists() and not (folder / "videomatte_nuke").is_dir():
        raise ForeignFileError(f"{folder} is something else than the plug-in.", remedy="Move it away.", file=str(folder))


def _copy(new: Path, *, before: Path, without: Sequence[str]) -> None:
    """Make the plug-in's folder: what is shipped, the gizmo, the client, and the wheels that were there before."""
    shutil.copytree(shipped("host_plugins/nuke"), new, ignore=SKIPPED)
    shutil.copytree(wire(), new / "videomatte_nuke" / "wire", ignore=SKIPPED)
    shutil.copytree(shipped("nuke_gizmo"), new / "gizmos", ignore=SKIPPED)
    dropped = {vendored.folder_name(python) for python in without}
    if (before / "vendor").is_dir():
        for found in (before / "vendor").iterdir():
            if found.name not in dropped:
                shutil.copytree(found, new / "vendor" / found.name, symlinks=True)


def _edit(init: Path, *, add: str | None) -> bool:
    """Take our lines out of init.py and add one, if any; everything else stays as it is. Return whether the file has changed."""
    before = init.read_bytes() if init.exists() else b""
    kept = [row for row in before.splitlines(keepends=True) if not row.rstrip().endswith(MARK.encode())]
    after = b"".join(kept)
    if add is not None:
        end = b"\r\n" if b"\r\n" in after else b"\n"
        after += (b"" if not after or after.endswith((b"\n", b"\r")) else end) + add.encode() + end
    if after == before:
        return False
    if not after:
        init.unlink()
        return True
    target = init.resolve()
    unfinished = target.with_name(f".{target.name}.new")
    unfinished.write_bytes(after)
    with suppress(OSError):
        shutil.copymode(target, unfinished)
    os.replace(unfinished, target)
    return True
