"""What a person asks of a solve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.sequence import Sequence


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
