"""A look at a msgpack header before it is unpacked: what it claims to hold must fit into what came and into the limits.

Only nil, booleans, numbers, text, lists and maps are allowed; binary and extension types (timestamps too) are not.
https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from types import MappingProxyType
from typing import List, Mapping, Tuple

from .limits import DEPTH, ELEMENTS, TEXT_BYTES

NUMBERS: Mapping[int, int] = MappingProxyType({0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8})
"""First byte of a number to the bytes that follow."""
TEXTS: Mapping[int, int] = MappingProxyType({0xD9: 1, 0xDA: 2, 0xDB: 4})
LISTS: Mapping[int, int] = MappingProxyType({0xDC: 2, 0xDD: 4})
MAPS: Mapping[int, int] = MappingProxyType({0xDE: 2, 0xDF: 4})
"""First byte of a text, list or map to the bytes of the count that follows."""


def _step(first: int) -> int:
    """Return the bytes of a value whose first byte says its length; 0 for all others."""
    if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return 1
    if 0xA0 <= first <= 0xBF:
        return 1 + (first & 0x1F)
    return 1 + NUMBERS[first] if first in NUMBERS else 0


STEPS: Tuple[int, ...] = tuple(_step(first) for first in range(256))


def scan(header: bytes) -> None:
    """Walk over a header. Raises ValueError when it is too deep, too long, cut off, or holds a type that is not allowed."""
    place, left, total, length = 0, 1, 0, len(header)
    waiting: List[int] = []
    while left or waiting:
        if not left:
            left = waiting.pop()
            continue
        left -= 1
        if place >= length:
            raise ValueError("cut off")
        step = STEPS[header[place]]
        if step:
            place += step
            continue
        place, count = _opened(header, place)
        if count:
            total += count
            if total > ELEMENTS or count > length - place:
                raise ValueError(f"{count} values announced; {ELEMENTS} are allowed in all, and {length - place} bytes are left")
            if len(waiting) >= DEPTH:
                raise ValueError(f"nested more than {DEPTH} deep")
            waiting.append(left)
            left = count
    if place != length:
        raise ValueError(f"{length} bytes came, {place} make sense")


def _opened(header: bytes, place: int) -> Tuple[int, int]:
    """Return where a long text ends, or where a list or map begins, and how many values it holds."""
    first = header[place]
    place += 1
    if 0x80 <= first <= 0x9F:
        return place, (first & 0x0F) * (2 if first <= 0x8F else 1)
    size = TEXTS.get(first) or LISTS.get(first) or MAPS.get(first)
    if size is None:
        raise ValueError(f"type 0x{first:02x} is not allowed")
    count = int.from_bytes(header[place : place + size], "big")
    place += size
    if first not in TEXTS:
        return place, count * (2 if first in MAPS else 1)
    if count > TEXT_BYTES:
        raise ValueError(f"a text of {count} bytes; {TEXT_BYTES} are allowed")
    return place + count, 0
