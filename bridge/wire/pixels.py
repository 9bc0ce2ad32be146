"""Where the pixels of a message are: in a file, in a part beside the header, or in shared memory.

Raw pixels are little-endian, rows one after the other without padding, channels side by side. The first row is the top one
(`rows` "down"); a host whose pictures begin at the bottom says "up" and need not turn them over.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Iterator, Literal, Mapping, Optional, Tuple, Union

from .limits import CHANNELS, PART_BYTES, SHARED_BYTES, Offset, Part, Side

Dtype = Literal["uint8", "uint16", "float16", "float32"]
Rows = Literal["down", "up"]
ITEM_BYTES: Mapping[str, int] = MappingProxyType({"uint8": 1, "uint16": 2, "float16": 2, "float32": 4})


@dataclass(frozen=True)
class FilePixels:
    """Pixels of a file that the daemon can open; `layer`, `view` and `channel` choose among what the file holds."""

    kind: ClassVar[str] = "file"
    path: str
    layer: Optional[str] = None
    view: Optional[str] = None
    channel: Optional[str] = None
    colorspace: str = "auto"


@dataclass(frozen=True)
class InlinePixels:
    """Pixels in a part of the same message; `part` counts from 0 after the header, `shape` is height, width[, channels]."""

    kind: ClassVar[str] = "inline"
    dtype: Dtype
    shape: Tuple[Side, ...]
    part: Part = 0
    rows: Rows = "down"


@dataclass(frozen=True)
class SharedPixels:
    """Pixels at a byte offset of a file in the daemon's folder for shared memory; `shape` is height, width[, channels]."""

    kind: ClassVar[str] = "shared"
    name: str
    offset: Offset
    dtype: Dtype
    shape: Tuple[Side, ...]
    rows: Rows = "down"


Pixels = Union[FilePixels, InlinePixels, SharedPixels]


def byte_count(dtype: str, shape: Tuple[int, ...]) -> int:
    """Return the bytes that raw pixels take. Raises ValueError for what is no picture or is too large."""
    if dtype not in ITEM_BYTES:
        raise ValueError(f"there is no pixel type {dtype!r}")
    if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and shape[2] > CHANNELS):
        raise ValueError(f"{shape} is not height, width and up to {CHANNELS} channels")
    size = ITEM_BYTES[dtype]
    for side in shape:
        size *= side
    if size > PART_BYTES:
        raise ValueError(f"{shape} {dtype} takes {size} bytes, more than {PART_BYTES}")
    return size


def raw_pixels(message: object) -> Iterator[Union[InlinePixels, SharedPixels]]:
    """Yield the raw pixels that a message names in its own fields."""
    for value in vars(message).values():
        if isinstance(value, (InlinePixels, SharedPixels)):
            yield value


def check_pixels(message: object, part_bytes: Tuple[int, ...]) -> None:
    """Compare the pixels a message names with the lengths of its parts, before anything is made of them.

    Raises ValueError when shape, type, offset and parts do not fit each other, or a part is not named exactly once.
    """
    named = []
    for pixels in raw_pixels(message):
        size = byte_count(pixels.dtype, pixels.shape)
        if isinstance(pixels, SharedPixels):
            if pixels.offset + size > SHARED_BYTES:
                raise ValueError(f"{pixels.name!r} cannot hold {size} bytes at {pixels.offset}")
        elif pixels.part >= len(part_bytes):
            raise ValueError(f"part {pixels.part} is missing: {len(part_bytes)} came")
        elif part_bytes[pixels.part] != size:
            raise ValueError(f"part {pixels.part} has {part_bytes[pixels.part]} bytes, {pixels.shape} {pixels.dtype} takes {size}")
        else:
            named.append(pixels.part)
    if sorted(named) != list(range(len(part_bytes))):
        raise ValueError(f"{len(part_bytes)} parts came, the message names {sorted(named)}")
