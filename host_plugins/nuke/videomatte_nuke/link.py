"""How to reach the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple


@dataclass(frozen=True)
class Link:
    """The connection file, None for the daemon of this machine, and pairs of a folder here and the same folder there."""

    connection: Optional[Path] = None
    path_map: Tuple[Tuple[str, str], ...] = ()
