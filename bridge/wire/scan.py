"""A look at a msgpack header before it is unpacked: what it claims to hold must fit into what came and into the limits.

Only nil, booleans, numbers, text, lists and maps are allowed; binary and extension types (timestamps too) are not.
https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from enum import Enum
from typing import List, Optional, Tuple

from .limits import DEPTH, ELEMENTS, TEXT_BYTES


class Token(Enum):
    """What the first byte of a msgpack value announces."""

    PLAIN = "so many bytes follow"
    TEXT = "a length, then text"
    LIST = "a count, then values"
    MAP = "a count, then pairs"


Announced = Tuple[Token, int, Optional[int]]
"""The token; the bytes that follow (of a plain value) or that hold the count; the count where the first byte itself holds it."""


def _announced(first: int) -> Optional[Announced]:
    if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return Token.PLAIN, 0, None
    if first <= 0x9F:
        return (Token.MAP if first <= 0x8F else Token.LIST), 0, first & 0x0F
    if first <= 0xBF:
        return Token.TEXT, 0, first & 0x1F
    sized = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
    if first in sized:
        return Token.PLAIN, sized[first], None
    counted = {0xD9: (Token.TEXT, 1), 0xDA: (Token.TEXT, 2), 0xDB: (Token.TEXT, 4)}
    counted.update({0xDC: (Token.LIST, 2), 0xDD: (Token.LIST, 4), 0xDE: (Token.MAP, 2), 0xDF: (Token.MAP, 4)})
    return (*counted[first], None) if first in counted else None


TOKENS: Tuple[Optional[Announced], ...] = tuple(_announced(first) for first in range(256))


def scan(header: bytes) -> None:
    """Walk over a header. Raises ValueError when it is too deep, too long, cut off, or holds a type that is not allowed."""
    place, total = 0, 0
    waiting: List[int] = [1]
    while waiting:
        if waiting[-1] == 0:
            waiting.pop()
            continue
        waiting[-1] -= 1
        token, size, count, place = _token(header, place)
        if token is Token.PLAIN:
            place += size
        elif token is Token.TEXT:
            if count > TEXT_BYTES:
                raise ValueError(f"a text of {count} bytes; {TEXT_BYTES} are allowed")
            place += count
        else:
            count *= 2 if token is Token.MAP else 1
            total += count
            if total > ELEMENTS or count > len(header) - place:
                raise ValueError(f"{count} values announced; {ELEMENTS} are allowed in all, and {len(header) - place} bytes are left")
            if len(waiting) > DEPTH:
                raise ValueError(f"nested more than {DEPTH} deep")
            waiting.append(count)
    if place != len(header):
        raise ValueError(f"{len(header)} bytes came, {place} make sense")


def _token(header: bytes, place: int) -> Tuple[Token, int, int, int]:
    """Return the token at a place, the bytes of a plain value, its count, and the place after all this."""
    announced = TOKENS[header[place]] if place < len(header) else None
    if announced is None:
        raise ValueError("cut off" if place >= len(header) else f"type 0x{header[place]:02x} is not allowed")
    token, size, count = announced
    place += 1
    if token is Token.PLAIN:
        return token, size, 0, place
    if count is None:
        count = int.from_bytes(header[place : place + size], "big")
        place += size
    return token, 0, count, place
