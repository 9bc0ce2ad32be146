"""Profiles, and how far stage 1 remembers: the numbers beside the files that can change a pixel."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.wire.errors import UsageError


@dataclass(frozen=True)
class Profile:
    """A named trade of time for quality. Fixed by name and plate, never by free memory."""

    name: str
    working_side: int  # stage 1: long side of its working view, pixels
    reduction: int  # stage 2: plate pixels to a side of a solved pixel
    search_coarser_above: int  # pixels of a frame above which the colour prior searches at half resolution, motion at a quarter
    tile: int  # side of a tile, solved pixels


PROFILES = {
    "final": Profile("final", working_side=640, reduction=1, search_coarser_above=600_000, tile=128),
    "draft": Profile("draft", working_side=384, reduction=2, search_coarser_above=150_000, tile=128),
}
MEMORY_EVERY = 3  # stage 1 remembers every third frame, counted from its pass's own key
MEMORY_KEPT = 1  # and reads the nearest of them


def profile_named(name: str) -> Profile:
    """Return a profile. Raises UsageError with the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UsageError(f"There is no profile {name!r}.", remedy=f"Choose one of: {', '.join(PROFILES)}.") from None
