"""The report of a shot folder."""

from __future__ import annotations

from pathlib import Path


def write_report(folder: Path, path: Path) -> None:
    """Write the report of a shot folder to a file. Raises VideoMatteError."""
    raise NotImplementedError
