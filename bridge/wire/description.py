"""What an artist asks of a shot, in plain words and numbers: the same for the command line, Nuke, Blender and the watch folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional


@dataclass(frozen=True)
class Description:
    """A shot and what to write of it; every field means what the option of `videomatte solve` of that name means.

    Patterns and paths are text (`plate.####.exr`), frames too (`1001-1100x2`). What a shot folder already knows may be left out.
    """

    plate: Optional[str] = None
    trimap: Optional[str] = None
    out: Optional[str] = None
    frames: Optional[str] = None
    trimap_out: Optional[str] = None
    foreground: Optional[str] = None
    garbage: Optional[str] = None
    holdout: Optional[str] = None
    layer: Optional[str] = None
    view: Optional[str] = None
    trimap_channel: Optional[str] = None
    device: str = "auto"
    profile: str = "final"
    colorspace: str = "auto"
    channels: Literal["rgba", "a", "y"] = "rgba"
    depth: Literal["float", "half"] = "float"
    overwrite: bool = False
