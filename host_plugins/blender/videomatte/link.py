# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the daemon: preferences to a client, and no other machine while Blender is offline."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import bpy

from .complaints import MatteError, OfflineError
from .preferences import preferences
from .wire.client import Client
from .wire.connection import read_connection

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def client() -> Client:
    """Return a client of the daemon that the preferences name.

    Raises OfflineError for another machine without Online Access, MatteError for a mapping that makes no sense, DaemonUnreachableError.
    """
    chosen = preferences()
    path = Path(bpy.path.abspath(chosen.connection)) if chosen.connection.strip() else None
    _check_may_go_there(path)
    return Client(name="blender", connection=path, path_map=_pairs(chosen.path_map), patience=chosen.patience)


def is_here(endpoint: str) -> bool:
    """Return whether an endpoint is on this machine."""
    return endpoint.startswith("ipc://") or urlsplit(endpoint).hostname in LOOPBACK


def _check_may_go_there(path: Path | None) -> None:
    found = read_connection(path)
    away = next((endpoint for endpoint in (found.control, found.pixels) if not is_here(endpoint)), None)
    if away is not None and not bpy.app.online_access:
        raise OfflineError(
            f"The daemon at {away} is on another machine, and Blender is offline.",
            remedy="Turn on Preferences > System > Network > Allow Online Access.",
        )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(half.strip() for half in pair.split("=", 1)) for pair in text.split(";") if pair.strip()]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise MatteError(f"Path mapping {text!r} is not here=there.", remedy="Write it like P:/shows=/mnt/shows.")
    return tuple((pair[0], pair[1]) for pair in pairs)
