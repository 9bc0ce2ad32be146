"""The folders of videomatte, after the XDG variables: run time, state, cache, configuration.

Everything private is a folder with mode 0700 that belongs to the user. Several daemons live side by side with different variables.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from .errors import NotAllowedError, StorageError

NAME = "videomatte"
LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107 (`sun_path`)."""
SOCKETS = ("control.sock", "pixels.sock", "worker.sock")


def runtime_folder() -> Path:
    """Return the folder of the connection file: below XDG_RUNTIME_DIR, else below the folder for temporary files."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    return Path(given) / NAME if given else Path(tempfile.gettempdir()) / f"{NAME}-{_who()}"


def socket_folder() -> Path:
    """Return the folder of the sockets: the runtime folder, or where its name is too long for a socket a short one of its own."""
    runtime = runtime_folder()
    if fits_a_socket(runtime):
        return runtime
    own = f"{NAME}-{_who()}-{hashlib.sha256(os.fsencode(runtime)).hexdigest()[:12]}"
    places = (Path(tempfile.gettempdir()) / own, Path("/tmp") / own)
    return next((place for place in places if fits_a_socket(place)), places[-1])


def shared_folder() -> Path:
    """Return the folder of shared memory: in memory where the system has such a place, else below the runtime folder."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        return memory / f"{NAME}-{_who()}-{hashlib.sha256(os.fsencode(runtime_folder())).hexdigest()[:12]}"
    return runtime_folder() / "shared"


def state_folder() -> Path:
    """Return the folder of what outlives a daemon: its queue."""
    return _home("XDG_STATE_HOME", ".local/state")


def log_folder() -> Path:
    """Return the folder of the logs."""
    return state_folder() / "log"


def cache_folder() -> Path:
    """Return the folder of what can be made again."""
    return _home("XDG_CACHE_HOME", ".cache")


def config_folder() -> Path:
    """Return the folder of what a person sets."""
    return _home("XDG_CONFIG_HOME", ".config")


def keys_folder() -> Path:
    """Return the folder of CURVE keys."""
    return config_folder() / "keys"


def connection_file() -> Path:
    """Return the connection file: what VIDEOMATTE_CONNECTION names, else `daemon.json` in the runtime folder."""
    given = os.environ.get("VIDEOMATTE_CONNECTION")
    return Path(given) if given else runtime_folder() / "daemon.json"


def fits_a_socket(folder: Path) -> bool:
    """Return whether the path of every socket in a folder is short enough."""
    return max(len(os.fsencode(folder / name)) for name in SOCKETS) <= LONGEST_SOCKET_PATH


def private(folder: Path) -> Path:
    """Return the folder, made with mode 0700 where it does not exist.

    Raises NotAllowedError when others may enter it or own it, StorageError when it cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise StorageError(f"The folder {folder} cannot be made: {error.strerror}.", file=str(folder)) from None
    if not stat.S_ISDIR(found.st_mode) or not is_ours_alone(found):
        raise NotAllowedError(
            f"{folder} is not a folder that you alone may enter.",
            remedy=f"Remove it, or say: chmod 700 {folder}",
            file=str(folder),
        )
    return folder


def is_ours_alone(found: os.stat_result) -> bool:
    """Return whether a file or folder belongs to this user and nobody else has any permission on it."""
    if os.name != "posix":
        return True
    return found.st_uid == os.getuid() and not found.st_mode & 0o077


def _home(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable)
    if not given and os.name == "nt":
        given = os.environ.get("LOCALAPPDATA")
    return (Path(given) if given else Path.home() / fallback) / NAME


def _who() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
