"""Which files are plates, which are trimaps, and of which shot: `SHOT/plate.####.exr = SHOT/trimap.####.* | SHOT/keys/*.####.*`.

The rules:
- A rule is a plate, `=`, and the places of its trimaps, with `|` between them; all relative to the watched folder.
- `SHOT` is the shot: before a slash one or more folders, else a part of a file name. `*` is any part of one name.
- `####` is the frame, in as many digits or more; negative frames have a minus. A trimap without `####` belongs to the first plate.
- Rules are tried in order; a file belongs to the first that fits it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bridge.wire.errors import UsageError

What = Literal["plate", "trimap"]
DEFAULT = ("SHOT/plate.####.exr = SHOT/trimap.####.* | SHOT/trimap.* | SHOT/keys/*.####.*",)
EXAMPLE = f"Write a rule like: {DEFAULT[0]}"
IMAGES = frozenset({"exr", "png", "tif", "tiff", "dpx", "jpg", "jpeg", "tga", "bmp", "hdr"})
_PARTS = re.compile(r"SHOT/|SHOT|#+|\*")


@dataclass(frozen=True)
class Match:
    """A file that a rule claims: the shot, what the file is in it, and its frame between `head` and `tail`."""

    shot: str
    what: What
    frame: int | None
    head: str
    digits: str
    tail: str


class Rules:
    """The rules of a watched folder. `top`: the shot's name where a rule's SHOT/ is the watched folder itself."""

    def __init__(self, texts: tuple[str, ...] = DEFAULT, *, top: str = "shot") -> None:
        """Read the rules. Raises UsageError."""
        self.texts, self._top = texts, top
        self._claims = [claim for text in texts for claim in _claims(text)]

    def match(self, folder: str, name: str) -> Match | None:
        """Return what a file is. folder: relative to the watched folder, with slashes, empty for itself."""
        path = f"{folder}/{name}"
        for what, pattern in self._claims:
            if found := pattern.fullmatch(path):
                groups = found.groupdict()
                digits, shot = groups.get("frame") or "", (groups.get("shot") or "").strip("/") or self._top
                cut = found.start("frame") - len(folder) - 1 if digits else len(name)
                frame = int(digits) if digits else None
                return Match(shot, what, frame, name[:cut], digits, name[cut + len(digits) :])
        return None


def _claims(text: str) -> list[tuple[What, re.Pattern[str]]]:
    plate, equals, trimaps = text.partition("=")
    places = [place.strip() for place in trimaps.split("|")]
    if not equals or "#" not in plate or not all(places):
        raise UsageError(f"{text!r} is no rule: it needs a plate with ####, = and a place of trimaps.", remedy=EXAMPLE)
    if any("SHOT" not in place for place in (plate, *places)):
        raise UsageError(f"The rule {text!r} does not say where the name of the shot stands.", remedy=EXAMPLE)
    return [("plate", _pattern(plate.strip(), text)), *(("trimap", _pattern(place, text)) for place in places)]


@lru_cache(maxsize=256)
def _pattern(place: str, text: str) -> re.Pattern[str]:
    """Return what a path is matched against: a slash stands before its first name, so that a folder may be none."""
    counts = {"SHOT": 0, "#": 0}
    pattern, at = ["/?"], 0
    for token in _PARTS.finditer(place):
        pattern.append(re.escape(place[at : token.start()]))
        at = token.end()
        if token[0] == "*":
            pattern.append("[^/]*?")
            continue
        kind = "#" if token[0][0] == "#" else "SHOT"
        counts[kind] += 1
        pattern.append(_named(token[0], again=counts[kind] > 1))
    if counts["#"] > 1:
        raise UsageError(f"{place} in the rule {text!r} says #### more than once.", remedy=EXAMPLE)
    return re.compile("".join([*pattern, re.escape(place[at:])]))


def _named(token: str, *, again: bool) -> str:
    if token[0] == "#":
        return rf"(?P<frame>-?\d{{{len(token)},}})"
    if again:
        return "(?P=shot)"
    return "(?P<shot>(?:.*/)?)" if token == "SHOT/" else "(?P<shot>[^/]+?)"
