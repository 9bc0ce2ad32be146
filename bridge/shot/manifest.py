"""`shot.json`: what a shot folder knows of its shot, schema 1 (docs/shot.md).

The rules:
- Fields that are not known here are kept as they are; a schema newer than ours is refused.
- Written whole or not at all.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bridge.exr.landing import landing
from bridge.sequence import format_range, parse_range
from bridge.wire.errors import SequenceError, ShotError, VideoMatteError

SCHEMA = 1
NAME = "shot.json"


@dataclass(frozen=True)
class Place:
    """Where files of a shot are: relative to its folder where that makes sense, and where they were when it was written down."""

    path: str
    was: str = ""


@dataclass(frozen=True)
class KeyEntry:
    """A key frame: the digest of its file, and what it was painted in: channel and digest of that file ("" for pixels without one)."""

    digest: str
    channel: str = ""
    painted: str = ""


@dataclass(frozen=True)
class Manifest:
    """A shot: plate, range, colour, settings, keys, locks. `colour` is the name of the colour space, fixed once.

    `raw` is the JSON object it was read from, with what is not known here.
    """

    plate: Place | None = None
    garbage: Place | None = None
    holdout: Place | None = None
    range: tuple[int, ...] | None = None
    colour: str | None = None
    layer: str | None = None
    view: str | None = None
    profile: str = "final"
    colorspace: str = "auto"
    channels: Literal["rgba", "a", "y"] = "rgba"
    depth: Literal["float", "half"] = "float"
    foreground: bool = False
    keys: Mapping[int, KeyEntry] = field(default_factory=dict)
    locked: frozenset[int] = frozenset()
    path_mapping: tuple[tuple[str, str], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def read(path: Path) -> Manifest:
    """Read a manifest. Raises ShotError when it is damaged or newer than this version; OSError when it cannot be read."""
    try:
        raw = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("schema"), int):
        raise _damaged(path, "it has no schema")
    if raw["schema"] > SCHEMA:
        raise ShotError(
            f"{path} was written by a newer videomatte: its schema is {raw['schema']}, and this version knows {SCHEMA}.",
            remedy="Install the newer version here too.",
            file=str(path),
        )
    try:
        return _understood(raw)
    except (TypeError, ValueError, KeyError, AttributeError, VideoMatteError) as error:
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def write(path: Path, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all. Raises StorageError."""
    text = json.dumps(_as_json(manifest), indent=2, ensure_ascii=False) + "\n"
    with landing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _understood(raw: dict[str, Any]) -> Manifest:
    settings = raw.get("settings") or {}
    known = {name: settings[name] for name in ("layer", "view", "profile", "colorspace") if settings.get(name) is not None}
    if not all(isinstance(value, str) for value in known.values()):
        raise ValueError("a setting is no text")
    found = Manifest(
        plate=_place(raw.get("plate")),
        garbage=_place(raw.get("garbage")),
        holdout=_place(raw.get("holdout")),
        range=parse_range(raw["range"]) if raw.get("range") else None,
        colour=_text(raw.get("colour")),
        foreground=bool(raw.get("foreground", False)),
        keys={int(f): KeyEntry(str(k["digest"]), str(k.get("channel", "")), str(k.get("painted", ""))) for f, k in raw["keys"].items()},
        locked=frozenset(parse_range(raw["locked"])) if raw.get("locked") else frozenset(),
        path_mapping=tuple((str(a), str(b)) for a, b in raw.get("path_mapping") or ()),
        raw=raw,
    )
    channels, depth = settings.get("channels", "rgba"), settings.get("depth", "float")
    if channels not in ("rgba", "a", "y") or depth not in ("float", "half"):
        raise ValueError(f"there are no channels {channels!r} of depth {depth!r}")
    return replace(found, channels=channels, depth=depth, **known)


def _as_json(manifest: Manifest) -> dict[str, Any]:
    """Return the JSON object: what it was read from, with everything that is known here put in its place."""
    raw: dict[str, Any] = copy.deepcopy(dict(manifest.raw))
    raw["schema"] = SCHEMA
    for name in ("plate", "garbage", "holdout"):
        place: Place | None = getattr(manifest, name)
        raw[name] = None if place is None else {**(raw.get(name) or {}), "path": place.path, "was": place.was}
    raw["range"] = None if manifest.range is None else format_range(manifest.range)
    raw["colour"] = manifest.colour
    raw["settings"] = {
        **(raw.get("settings") or {}),
        **{name: getattr(manifest, name) for name in ("layer", "view", "profile", "colorspace", "channels", "depth")},
    }
    raw["foreground"] = manifest.foreground
    before = raw.get("keys") or {}
    raw["keys"] = {
        str(frame): {**before.get(str(frame), {}), "digest": key.digest, "channel": key.channel, "painted": key.painted}
        for frame, key in sorted(manifest.keys.items())
    }
    raw["locked"] = format_range(manifest.locked)
    raw["path_mapping"] = [list(pair) for pair in manifest.path_mapping]
    return raw


def _place(value: Any) -> Place | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Place(value)
    return Place(str(value["path"]), str(value.get("was", "")))


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise SequenceError(f"{value!r} is no text")
    return value


def _damaged(path: Path, reason: str) -> ShotError:
    return ShotError(
        f"{path} cannot be understood: {reason}",
        remedy="Restore it from a backup, or begin the shot anew in another folder.",
        file=str(path),
    )
