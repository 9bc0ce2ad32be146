"""What the knobs of a node say, read once on the main thread; from here on nobody needs the node."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Tuple

import nuke

from . import frames, roto, source
from .complaints import NodeError
from .link import Link

WORKING_SPACES = {
    "linear": "lin_rec709_scene",
    "scene-linear rec.709-srgb": "lin_rec709_scene",
    "linear rec.709 (srgb)": "lin_rec709_scene",
    "utility - linear - srgb": "lin_rec709_scene",
    "lin_rec709": "lin_rec709_scene",
    "acescg": "lin_ap1_scene",
    "aces - acescg": "lin_ap1_scene",
    "lin_ap1": "lin_ap1_scene",
    "aces2065-1": "lin_ap0_scene",
    "aces - aces2065-1": "lin_ap0_scene",
    "linear rec.2020": "lin_rec2020_scene",
    "linear p3-d65": "lin_p3d65_scene",
}
"""Names of working spaces in the configurations that come with Nuke, in lower case, and what the daemon calls them."""


@dataclass(frozen=True)
class Settings:
    """The knobs of a node. `keys` are ascending frames; `view` is never empty; `folder` is absolute, with forward slashes."""

    node: str
    first: int
    last: int
    keys: Tuple[int, ...]
    trimap_channel: Optional[str]
    profile: str
    device: str
    write_foreground: bool
    depth: str
    space: str
    always_render: bool
    view: str
    folder: str
    link: Link

    @property
    def range(self) -> str:
        """The frame range as text."""
        return "%d-%d" % (self.first, self.last)


def settings_of(node: Any) -> Settings:
    """Read the knobs. Raises NodeError for what cannot be used."""
    first, last = int(node["first"].value()), int(node["last"].value())
    if last < first:
        raise NodeError("The frame range %d-%d counts backwards." % (first, last), remedy="Press From Source, or type the range.")
    channel = node["trimap_channel"].value()
    return Settings(
        node=node.fullName(),
        first=first,
        last=last,
        keys=_keys(node, first, last),
        trimap_channel=None if channel == "auto" else {"alpha": "A"}.get(channel.split(".")[1], channel.split(".")[1][0].upper()),
        profile=node["profile"].value(),
        device=node["device"].value(),
        write_foreground=bool(node["write_foreground"].value()),
        depth=node["depth"].value(),
        space=_space(node),
        always_render=node["source_from"].value() == "always render",
        view=node["view"].value() or nuke.views()[0],
        folder=shot_folder(node),
        link=link_of(node),
    )


def link_of(node: Any) -> Link:
    """Read how to reach the daemon. Raises NodeError."""
    connection = (node["connection"].evaluate() or "").strip()
    pairs = [part for part in node["path_map"].value().split(";") if part.strip()]
    halves = [tuple(half.strip() for half in pair.split("=", 1)) for pair in pairs]
    if any(len(pair) != 2 or not all(pair) for pair in halves):
        raise NodeError("Path mapping %r is not here=there." % node["path_map"].value(), remedy="Write it like P:/shows=/mnt/shows.")
    return Link(Path(connection) if connection else None, tuple((pair[0], pair[1]) for pair in halves))


def shot_folder(node: Any) -> str:
    """Return the node's shot folder. Raises NodeError when the script is not saved and the folder depends on it."""
    text = (node["folder"].evaluate() or "").replace("\\", "/")
    if not (os.path.isabs(text) or re.match(r"[A-Za-z]:/|//", text)):
        raise NodeError(
            "The shot folder %r is no full path: the script is not saved yet." % text,
            remedy="Save the script, or give a full path in Shot folder on the Advanced tab.",
        )
    return text.rstrip("/")


def _keys(node: Any, first: int, last: int) -> Tuple[int, ...]:
    if node["keys_from"].value() == "roto keys":
        keys = roto.key_frames(node.input(1))
        if not keys:
            raise NodeError("No keys were found above Trimap.", remedy="Set Key frames to list, and name them.")
    else:
        keys = frames.parsed(node["key_frames"].value(), what="Key frames") or (first,)
    inside = tuple(frame for frame in keys if first <= frame <= last)
    if not inside:
        raise NodeError(
            "The key frames %s lie outside of the frame range %d-%d." % (frames.written(keys), first, last),
            remedy="Name a key frame inside of the range.",
        )
    return inside


def _space(node: Any) -> str:
    chosen: str = node["working_space"].value()
    if chosen != "from project":
        return chosen
    knob = nuke.root().knob("workingSpaceLUT")
    named = str(knob.value()) if knob is not None else "linear"
    plain = source.plain(named)
    found = WORKING_SPACES.get(plain)
    if found is None:
        raise NodeError(
            "The working space of the project, %r, is not one that VideoMatte knows." % named,
            remedy="Choose it in Working space on the Advanced tab.",
        )
    return found
