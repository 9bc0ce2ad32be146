"""Where the plug-ins are that this installation brings: beside the package in a checkout, below `share` when it was installed."""

from __future__ import annotations

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


def wire() -> Path:
    """Return the folder of the client, which is copied into each plug-in."""
    return PACKAGE / "wire"
