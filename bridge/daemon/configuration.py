"""How a daemon is set up: everything that can be said to `videomatte serve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.wire import places


@dataclass(frozen=True)
class Configuration:
    """The settings of a daemon.

    device: what jobs are solved on when they do not say; memory: bytes a worker may use, 0 for no limit; idle_release: seconds after which
    an idle worker gives its device back; tcp: HOST:PORT for other machines; folders: what their clients may name, links resolved;
    path_map: folders as clients see them and as this machine does; cpu_allowed: whether a job goes on on the CPU when its device is full.
    """

    device: str = "auto"
    memory: int = 0
    idle_release: float = 600.0
    cpu_allowed: bool = True
    tcp: str | None = None
    key: str = "server"
    keys: Path | None = None
    folders: tuple[Path, ...] = ()
    path_map: tuple[tuple[str, str], ...] = ()
    sessions: int = 64
    jobs: int = 1024
    pixels: int = 1 << 28
    shared: Path = field(default_factory=places.shared_folder)
    state: Path = field(default_factory=places.state_folder)
    cache: Path = field(default_factory=places.cache_folder)


def configured(said: Mapping[str, Any]) -> Configuration:
    """Return a configuration from plain values, as JSON holds them. Raises TypeError for a setting that there is not."""
    facts = dict(said)
    facts["folders"] = tuple(Path(folder) for folder in facts.get("folders", ()))
    facts["path_map"] = tuple((client, daemon) for client, daemon in facts.get("path_map", ()))
    for name in {"keys", "shared", "state", "cache"} & {name for name, value in facts.items() if value is not None}:
        facts[name] = Path(facts[name])
    return Configuration(**facts)
