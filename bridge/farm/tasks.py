"""The tasks that a shot comes to on a farm: begin, propagate each segment, matte some frames at a time, publish.

A one-key shot has one segment, or a head and a tail; its matte step is still cut. All tasks of one job share a token, by which the shot
folder knows them as one holder.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bridge.sequence import format_range
from bridge.shot.folder import Shot
from bridge.shot.work import Places, plan_of, request_for

FRAMES_AT_ONCE = 24


@dataclass(frozen=True)
class Tasks:
    """What a shot comes to. `segments`: frames of each segment as text; `frames`: those to matte; `chunk`: how many at a time."""

    name: str
    folder: Path
    segments: tuple[str, ...]
    frames: tuple[int, ...]
    chunk: int = FRAMES_AT_ONCE
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def chunks(self) -> tuple[str, ...]:
        """The frames to matte, cut into neighbouring ones, as text."""
        return tuple(format_range(self.frames[i : i + self.chunk]) for i in range(0, len(self.frames), self.chunk))


def tasks_of(shot: Shot, *, chunk: int = FRAMES_AT_ONCE) -> Tasks:
    """Return the tasks of a shot; whatever is solved already is found out when they run. Raises InputError, UsageError."""
    plan = plan_of(shot, request_for(shot, into=Places.newest(shot.folder)))
    shot.digests.save()
    segments = tuple(format_range(segment.frames) for segment in plan.segments)
    return Tasks(shot.folder.name.removesuffix(".vmatte"), shot.folder, segments, plan.wanted, max(1, chunk))
