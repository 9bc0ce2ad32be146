"""How large anything on the wire may be; every limit of the protocol stands here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

HEADER_BYTES: Final = 1 << 20
DEPTH: Final = 8
ELEMENTS: Final = 65_536
TEXT_BYTES: Final = 65_536
PARTS: Final = 8
PART_BYTES: Final = 1 << 30
SIDE: Final = 65_536
CHANNELS: Final = 4
SHARED_BYTES: Final = 1 << 36
FRAME: Final = 2**31 - 1
NUMBER: Final = 2**53 - 1
OPEN_REQUESTS: Final = 256


@dataclass(frozen=True)
class Between:
    """The least and the most a whole number may be."""

    least: int
    most: int


Frame = Annotated[int, Between(-FRAME, FRAME)]
Coordinate = Annotated[int, Between(-FRAME, FRAME)]
Count = Annotated[int, Between(0, NUMBER)]
Side = Annotated[int, Between(1, SIDE)]
Part = Annotated[int, Between(0, PARTS - 1)]
Offset = Annotated[int, Between(0, SHARED_BYTES)]
"""The kinds of whole numbers that messages hold."""


@dataclass(frozen=True)
class Limits:
    """What a daemon takes: bytes of a header and of a part, parts of a message, requests open at once, sessions, jobs waiting."""

    header_bytes: Count = HEADER_BYTES
    part_bytes: Count = PART_BYTES
    parts: Count = PARTS
    open_requests: Count = OPEN_REQUESTS
    sessions: Count = 64
    jobs: Count = 1024
