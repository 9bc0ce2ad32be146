"""Where the plug-ins are that this installation brings: beside the package in a checkout, below `share` when it was installed."""

from __future__ import annotations

import re
import shutil
import sysconfig
from pathlib import Path

from bridge.wire.errors import StorageError

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Return a folder that is shipped beside the package, such as `host_plugins/nuke`. Raises StorageError when it is not there."""
    roots = (PACKAGE.parent, Path(sysconfig.get_path("data")) / "share" / "videomatte")
    found = next((root / name for root in roots if (root / name).is_dir()), None)
    if found is None:
        places = " or ".join(str(root / name) for root in roots)
        raise StorageError(f"The plug-in is not in {places}.", remedy="Install videomatte again.")
    return found


def unwritten(error: OSError, path: Path, *, remedy: str) -> StorageError:
    """Say which file could not be written and why; shutil gathers the reasons of a whole tree, of which the first is told."""
    reason = error.strerror
    name = error.filename or path
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _, name, said = error.args[0][0]
        reason = re.sub(r"^\[Errno \d+\] |: ['<].*$", "", str(said))
    return StorageError(f"{name} cannot be written: {reason or error}.", remedy=remedy, file=str(name))


def wire() -> Path:
    """Return the folder of the client, which is copied into each plug-in."""
    return PACKAGE / "wire"
