"""Pictures that the stand-in renders, and EXR files of them, written with the standard library alone: one part, uncompressed, float."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1, half-open, y downwards."""


@dataclass(frozen=True)
class Picture:
    """Channels of a data window, row by row from the top, scene-linear float32; windows in display coordinates."""

    display: Window
    data: Window
    channels: Mapping[str, array]
    pixel_aspect: float = 1.0


def made(
    value: Callable[[str, int, int], float], *, names: str = "RGBA", display: Window, data: Window | None = None, pixel_aspect: float = 1.0
) -> Picture:
    """Return a picture whose every value is asked for: channel, x, y in display coordinates."""
    x0, y0, x1, y1 = data = data or display
    pixels = {name: array("f", [value(name, x, y) for y in range(y0, y1) for x in range(x0, x1)]) for name in names}
    return Picture(display, data, pixels, pixel_aspect)


def write_exr(path: str, picture: Picture, names: str) -> None:
    """Write the named channels of a picture; those it does not have are 0."""
    width, height = picture.data[2] - picture.data[0], picture.data[3] - picture.data[1]
    empty = array("f", bytes(4 * width * height))
    planes = {name: picture.channels.get(name, empty) for name in sorted(names)}
    head = _header(picture, list(planes))
    line = 8 + 4 * width * len(planes)
    start = len(head) + 8 * height
    with open(path, "wb") as file:
        file.write(head)
        file.write(struct.pack("<%dQ" % height, *(start + line * y for y in range(height))))
        for y in range(height):
            file.write(struct.pack("<ii", picture.data[1] + y, line - 8))
            for plane in planes.values():
                row = array("f", plane[y * width : (y + 1) * width])
                if sys.byteorder == "big":
                    row.byteswap()
                file.write(row.tobytes())


def _header(picture: Picture, names: list[str]) -> bytes:
    channels = b"".join(name.encode() + b"\0" + struct.pack("<iiii", 2, 0, 1, 1) for name in names) + b"\0"
    attributes = (
        ("channels", "chlist", channels),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", _box(picture.data)),
        ("displayWindow", "box2i", _box(picture.display)),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", picture.pixel_aspect)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    )
    parts = [b"\x76\x2f\x31\x01\x02\0\0\0"]
    for name, kind, value in attributes:
        parts.append(name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value)
    return b"".join(parts) + b"\0"


def _box(window: Window) -> bytes:
    x0, y0, x1, y1 = window
    return struct.pack("<iiii", x0, y0, x1 - 1, y1 - 1)
