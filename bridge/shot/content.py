"""Content keys: a result is named by everything its pixels depend on, so that the same key means no work.

trimap (head, tail)  plates from the bounding key to the frame, that key, weights, settings
trimap (span)        every plate of the span, both keys, weights, settings
trimap (key)         the artist's trimap itself
alpha                the plates and trimaps of t-2 to t+2, weights, settings

A file is named by one of these and by what else shapes its bytes: depth, channels, garbage and holdout mattes (`bridge.shot.plan`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from bridge.wire.errors import ImageError

from .segments import Segment, matted_from

DIGEST_BYTES = 16
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Digest(Protocol):
    """Names a file by its bytes. Raises ImageError naming file and frame."""

    def __call__(self, path: Path, *, frame: int | None = None) -> str: ...


def digest_of(value: object) -> str:
    """Return the digest of any JSON value, independent of the order of its keys."""
    return hashlib.blake2b(_JSON.encode(value).encode(), digest_size=DIGEST_BYTES).hexdigest()


def file_digest(path: Path, *, frame: int | None = None) -> str:
    """Return the digest of a file's bytes. Raises ImageError naming file and frame."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read: {error.strerror}", remedy="Check the file and its permissions.", file=str(path), frame=frame
        ) from error
    return digest.hexdigest()


class ContentKeys:
    """The content keys of one shot, each computed once and only when asked for."""

    def __init__(
        self, *, plate: Callable[[int], str], keys: Mapping[int, str], segments: list[Segment], frames: frozenset[int], settings: object
    ) -> None:
        """plate: digest of a plate frame; keys: digest of each key's trimap; frames: the plates there are; settings: any JSON value."""
        self._plate, self._keys, self._frames = plate, dict(keys), frames
        self._segment = {f: s for s in segments for f in s.frames}
        self._settings = digest_of(settings)
        self._trimaps = {f: digest_of(["key", d]) for f, d in self._keys.items()}
        self._links: dict[Segment, str] = {}

    def trimap(self, frame: int) -> str:
        """Return the content key of a frame's trimap."""
        if frame not in self._trimaps:
            segment = self._segment[frame]
            ends = [(k, self._keys[k], self._plate(k)) for k in segment.keys]
            if len(ends) == 2:
                whole = digest_of(["span", self._settings, ends, [(f, self._plate(f)) for f in segment.frames]])
                self._trimaps |= {f: digest_of([whole, f]) for f in segment.frames}
            else:
                self._follow(segment, ends, frame)
        return self._trimaps[frame]

    def _follow(self, segment: Segment, ends: list[tuple[int, str, str]], last: int) -> None:
        """Name the trimaps of a head or tail, one link a frame, from the key outwards as far as `last`."""
        link = self._links.get(segment) or digest_of(["chain", self._settings, ends])
        for frame in segment.outwards:
            if frame not in self._trimaps:
                link = digest_of([link, frame, self._plate(frame)])
                self._trimaps[frame] = self._links[segment] = link
            if frame == last:
                return

    def alpha(self, frame: int) -> str:
        """Return the content key of a frame's alpha."""
        seen = [(f - frame, self._plate(f), self.trimap(f)) for f in sorted(matted_from([frame], self._frames))]
        return digest_of(["alpha", self._settings, seen])
