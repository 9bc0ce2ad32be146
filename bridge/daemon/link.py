"""What the front and a worker say to each other: one JSON object a line, through the worker's standard input and output.

A worker whose input ends is alone, and ends too; a front whose worker's output ends knows that it is gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bridge.sequence import format_range, parse_range

from .tasks import Kind, Part, Task


@dataclass(frozen=True)
class Order:
    """What a job is to a worker: the description as a JSON value, the shot folder or None, where its scratch lies.

    `preview`: where the alpha of a preview goes, as SharedPixels or as a file's path. `folders`: what its client may name; None for all.
    """

    description: Mapping[str, Any]
    folder: str | None
    scratch: str
    preview: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Perform:
    """Do a task, in between when another is being done."""

    task: Task
    order: Order


@dataclass(frozen=True)
class EndTurn:
    """End a matte task after the frame in work."""

    number: int


@dataclass(frozen=True)
class Drop:
    """Drop a task at the next frame boundary."""

    number: int


@dataclass(frozen=True)
class Quit:
    """End, and give all memory back with it."""


@dataclass(frozen=True)
class Ready:
    """A worker is up. `others`: devices of the same kind that have no worker yet."""

    device: str
    make: str
    memory: int
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Understood:
    """What a job comes to: what to propagate, which frames to matte, which are kept, which lack a plate, where results land."""

    number: int
    parts: tuple[Part, ...]
    frames: tuple[int, ...]
    kept: tuple[int, ...]
    missing: tuple[int, ...]
    files: Mapping[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advanced:
    """A frame of a stage is done; a span counts each of its two passes."""

    number: int
    stage: str
    frame: int


@dataclass(frozen=True)
class Landed:
    """A frame's files carry their final names."""

    number: int
    frame: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """A task is done, ended or dropped. `notes`: what a person should know; `result`: facts that belong to the kind of task."""

    number: int
    notes: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """A task cannot be done: an error of the tree, as it goes over the wire; `memory`: the device had not enough."""

    number: int
    error: Mapping[str, Any]
    memory: bool = False


@dataclass(frozen=True)
class Beat:
    """A worker lives: memory of the process and of its device in use, bytes."""

    resident: int
    used: int


Said = Perform | EndTurn | Drop | Quit | Ready | Understood | Advanced | Landed | Finished | Failed | Beat
FRAMES = ("frames", "kept", "missing")  # fields that hold frame numbers, which travel as a range
_KINDS: dict[str, type[Any]] = {
    k.__name__: k for k in (Perform, EndTurn, Drop, Quit, Ready, Understood, Advanced, Landed, Finished, Failed, Beat)
}


def line(said: Said) -> bytes:
    """Write something said as a line."""
    return json.dumps({"say": type(said).__name__, **_plain(asdict(said))}, ensure_ascii=True).encode() + b"\n"


def heard(text: bytes) -> Said:
    """Read a line. Raises ValueError for one that says nothing we know."""
    value = json.loads(text)
    try:
        kind = _KINDS[value.pop("say")]
        return kind(**{name: _read(name, v) for name, v in value.items()})  # type: ignore[no-any-return]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a line that says nothing known: {text[:80]!r}") from error


def _plain(value: Any) -> Any:
    """Return a JSON value: frames as ranges, kinds by name."""
    if isinstance(value, dict):
        return {name: format_range(v) if name in FRAMES and isinstance(v, tuple) else _plain(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.value if isinstance(value, Kind) else value


def _read(name: str, value: Any) -> Any:
    if name in FRAMES:
        return _frames(value)
    if name == "task":
        part = value["part"]
        return Task(value["number"], value["job"], Kind(value["kind"]), part and _part(part), _frames(value["frames"]))
    if name == "order":
        return Order(**{part: _read(part, v) for part, v in value.items()})
    if name == "parts":
        return tuple(_part(part) for part in value)
    return tuple(value) if isinstance(value, list) else value


def _frames(text: str) -> tuple[int, ...]:
    return parse_range(text) if text else ()


def _part(value: Mapping[str, Any]) -> Part:
    return Part(value["before"], value["after"], _frames(value["frames"]))
