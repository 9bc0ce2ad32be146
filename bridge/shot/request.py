"""What a person asks of a solve, and how the plain words of a description become it: the one place where requests are made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.sequence import Sequence, parse_range
from bridge.wire.description import Description
from bridge.wire.errors import UsageError


@dataclass(frozen=True)
class Request:
    """A shot and what to write of it. `frames` chooses what is written; no pixel depends on it.

    `keep_trimaps`: the files of `trimap_out` are those between the stages, of every frame that is propagated, as in a shot folder.
    """

    plate: Sequence
    trimap: Sequence
    out: Sequence
    frames: tuple[int, ...] | None = None
    trimap_out: Sequence | None = None
    foreground: Sequence | None = None
    garbage: Sequence | None = None
    holdout: Sequence | None = None
    layer: str | None = None
    view: str | None = None
    trimap_channel: str | None = None
    device: str = "auto"
    profile: str = "final"
    colorspace: str = "auto"
    channels: Literal["rgba", "a", "y"] = "rgba"
    depth: Literal["float", "half"] = "float"
    overwrite: bool = False
    keep_trimaps: bool = False


def request_of(description: Description) -> Request:
    """Read a description; the files it names are looked for, which is cheap.

    Raises UsageError when plate, trimap or out is left out, SequenceError when a pattern or range cannot be read or matches nothing.
    """
    plate, trimap = (_found(text, what) for text, what in ((description.plate, "plate"), (description.trimap, "trimap")))
    if description.out is None:
        raise _lacking("out")

    def read_if(text: str | None) -> Sequence | None:
        return None if text is None else Sequence.parse(text)

    def written(text: str | None, what: str) -> Sequence | None:
        return None if text is None else output(text, plate=plate, what=what)

    for text in (description.garbage, description.holdout):
        if text is not None:
            Sequence.parse(text).frames()
    return Request(
        plate,
        trimap,
        output(description.out, plate=plate, what="matte"),
        frames=None if description.frames is None else parse_range(description.frames),
        trimap_out=written(description.trimap_out, "trimap"),
        foreground=written(description.foreground, "foreground"),
        garbage=read_if(description.garbage),
        holdout=read_if(description.holdout),
        layer=description.layer,
        view=description.view,
        trimap_channel=description.trimap_channel,
        device=description.device,
        profile=description.profile,
        colorspace=description.colorspace,
        channels=description.channels,
        depth=description.depth,
        overwrite=description.overwrite,
    )


def output(text: str, *, plate: Sequence, what: str) -> Sequence:
    """Read where to write: a pattern, or a folder, which becomes FOLDER/PLATE_what.####.exr.

    A folder is one that exists or a text that ends in a slash. Raises SequenceError.
    """
    folder = Path(text).expanduser()
    if not text.endswith(("/", "\\")) and not folder.is_dir():
        return Sequence.parse(text)
    number = "" if plate.is_single and plate.number is None else ".####"
    return Sequence.parse(folder / f"{base(plate)}_{what}{number}.exr")


def base(plate: Sequence) -> str:
    """Return the name of a plate without its number and extension: `shots/plate_v2.####.exr` is `plate_v2`."""
    name = plate.head
    if plate.is_single:
        name = Path(plate.head).stem
        if plate.number is not None:
            name = re.sub(r"-?\d+$", "", name)
    return name.rstrip("._- ") or plate.folder.resolve().name or "plate"


def _found(text: str | None, what: str) -> Sequence:
    """Read the pattern of files that must be there."""
    if text is None:
        raise _lacking(what)
    sequence = Sequence.parse(text)
    sequence.frames()
    return sequence


def _lacking(what: str) -> UsageError:
    meant = {"plate": "a plate", "trimap": "a painted trimap (--trimap)", "out": "where the mattes go (--out)"}[what]
    return UsageError(f"A solve needs {meant}.", remedy="Give plate, trimap and out, or a shot folder that knows the first two.")
