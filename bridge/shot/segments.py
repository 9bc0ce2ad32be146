"""Segments: key frames cut a shot into head, the spans between neighbouring keys, and tail. Pure functions of frame numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise


@dataclass(frozen=True)
class Segment:
    """Frames between two keys (or before the first, after the last), keys excluded, with the keys that bound it.

    A head has no `before`, a tail no `after`; frames ascend.
    """

    before: int | None
    after: int | None
    frames: tuple[int, ...]

    @property
    def keys(self) -> tuple[int, ...]:
        return tuple(k for k in (self.before, self.after) if k is not None)

    @property
    def outwards(self) -> tuple[int, ...]:
        """The frames in the order of a pass from the first key there is: a head is walked backwards."""
        return self.frames if self.before is not None else self.frames[::-1]

    def only(self, frame: int) -> Segment:
        """Return the segment as if it had one frame between its keys."""
        return replace(self, frames=(frame,))

    @property
    def name(self) -> str:
        """What an artist would call it: head, tail, or the two keys."""
        if self.before is None:
            return f"head before {self.after}"
        return f"tail after {self.before}" if self.after is None else f"span {self.before}-{self.after}"


def cut(frames: Sequence[int], keys: Collection[int]) -> list[Segment]:
    """Cut ascending plate frames at the key frames; empty segments are left out.

    Raises ValueError when there is no key: such a shot has no segments.
    """
    bounds = sorted(set(keys))
    if not bounds:
        raise ValueError("a shot without a key has no segments")
    edges = [None, *bounds, None]
    segments = []
    for before, after in pairwise(edges):
        low = 0 if before is None else bisect_right(frames, before)
        high = len(frames) if after is None else bisect_left(frames, after)
        if low < high:
            segments.append(Segment(before, after, tuple(frames[low:high])))
    return segments


def needed(segment: Segment, wanted: Collection[int]) -> Segment | None:
    """Return the part of a segment that must be propagated for the wanted frames, or None.

    A span is needed whole, because both passes cross it; a head or tail only from its key to the farthest wanted frame.
    """
    inside = [f for f in segment.frames if f in wanted]
    if not inside:
        return None
    if segment.before is not None and segment.after is not None:
        return segment
    if segment.before is None:
        return Segment(None, segment.after, tuple(f for f in segment.frames if f >= inside[0]))
    return Segment(segment.before, None, tuple(f for f in segment.frames if f <= inside[-1]))


def neighbours(frame: int, frames: Collection[int]) -> tuple[int, int]:
    """Return t-1 and t+1 where they exist among `frames`, else t itself."""
    return (frame - 1 if frame - 1 in frames else frame, frame + 1 if frame + 1 in frames else frame)


def with_neighbours(wanted: Collection[int], frames: Collection[int]) -> set[int]:
    """Return the wanted frames and those of their neighbours that exist."""
    return {n for f in wanted for n in (f - 1, f, f + 1) if n in frames}


def matted_from(wanted: Collection[int], frames: Collection[int]) -> set[int]:
    """Return the frames whose plate and trimap the wanted mattes depend on: t-2 to t+2 where they exist, but nothing beyond a gap.

    A matte is solved from its frame and that one's neighbours, then steadied by the mattes of the neighbours.
    """
    return with_neighbours(with_neighbours(wanted, frames), frames)
