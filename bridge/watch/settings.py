"""What a folder says of its shots: `videomatte.toml` there or above, nearest first, and `job.json` beside the plate.

Known are the range of the shot, its settings, what is delivered, and how long to wait. An unknown word is an error that names it.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bridge.sequence import parse_range
from bridge.wire.errors import InputError, SequenceError, UsageError

from .scan import Stamp

OUTPUTS = ("matte", "foreground", "trimap")
CHOICES: dict[str, tuple[str, ...]] = {
    "profile": ("final", "draft"),
    "channels": ("rgba", "a", "y"),
    "depth": ("float", "half"),
    "gaps": ("wait", "allow"),
    "complete": ("settled", "ready"),
}


@dataclass(frozen=True)
class Settings:
    """How a shot is to be solved. `range`: the frames it must have; `gaps`: whether what exists is solved where frames are missing;
    `complete`: by settled files, or only by a file called `ready`; `settle`: seconds, where not the watcher's.
    """

    range: str | None = None
    colorspace: str = "auto"
    layer: str | None = None
    view: str | None = None
    trimap_channel: str | None = None
    profile: str = "final"
    channels: str = "rgba"
    depth: str = "float"
    garbage: str | None = None
    holdout: str | None = None
    outputs: tuple[str, ...] = field(default=("matte",))
    gaps: str = "wait"
    complete: str = "settled"
    settle: float | None = None

    def as_words(self) -> dict[str, Any]:
        """Return what counts for the pixels, as JSON values."""
        words = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in words.items() if name not in NOT_OF_PIXELS}


NOT_OF_PIXELS = ("gaps", "complete", "settle")
TEXTS = ("colorspace", "layer", "view", "trimap_channel", "garbage", "holdout")


def settings_for(files: tuple[tuple[Path, Stamp], ...]) -> Settings:
    """Return what several files say, the later ones over the earlier. Raises UsageError, InputError."""
    found = Settings()
    for path, stamp in files:
        found = replace(found, **_read(path, stamp))
    return found


@lru_cache(maxsize=1024)
def _read(path: Path, _stamp: Stamp) -> dict[str, Any]:
    """Read one file; it is read again when its stamp changes."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = json.loads(text) if path.suffix == ".json" else _toml(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path} cannot be read: {reason}.", remedy="Mend it, or take it away.", file=str(path)) from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} holds no names with values.", remedy='Write lines like: range = "1001-1100"', file=str(path))
    return {name: _value(name, value, path) for name, value in raw.items()}


def _toml(text: str) -> Any:
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return reader.loads(text)


def _value(name: str, value: Any, path: Path) -> Any:
    """Return a value as it is kept. Raises UsageError naming file and word."""
    known = [f.name for f in fields(Settings)]
    if name not in known:
        raise UsageError(f"{path} says {name}, which means nothing here.", remedy=f"Known are {', '.join(known)}.", file=str(path))
    if name == "settle" and isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6:
        return float(value)
    if name == "outputs" and isinstance(value, list) and value and set(value) <= set(OUTPUTS):
        return tuple(value)
    if name == "range" and isinstance(value, str):
        return _range(value, path)
    if name in CHOICES and value in CHOICES[name]:
        return value
    if name in TEXTS and isinstance(value, str):
        return value
    allowed = OUTPUTS if name == "outputs" else CHOICES.get(name, ())
    remedy = f"It may be {', '.join(allowed)}." if allowed else "See docs/watch.md."
    raise UsageError(f"{path}: {name} cannot be {value!r}.", remedy=remedy, file=str(path))


def _range(text: str, path: Path) -> str:
    try:
        parse_range(text)
    except SequenceError as error:
        raise UsageError(f"{path}: {error.message}.", remedy=error.remedy, file=str(path)) from error
    return text
