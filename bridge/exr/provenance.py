"""What a file of ours says about how it was made."""

from __future__ import annotations

from pathlib import Path

from bridge.exr.door import opened
from bridge.exr.write import PREFIX
from bridge.wire.errors import ImageError


def read_provenance(path: str | Path) -> dict[str, str] | None:
    """Return the `videomatte:NAME` attributes as texts by NAME; None for a file that is not ours or cannot be opened."""
    try:
        with opened(Path(path)) as source:
            spec = source.spec()
    except ImageError:
        return None
    found = {a.name.removeprefix(PREFIX): str(a.value) for a in spec.extra_attribs if a.name.startswith(PREFIX)}
    return found or None
