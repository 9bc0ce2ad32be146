"""A plan: a request understood and checked against what is on disk; nothing of it is computed yet, and nothing here needs torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache

from bridge.sequence import Sequence, format_range
from bridge.shipped import weights_digest
from bridge.version import VERSION
from bridge.wire.errors import SequenceError

from . import keys as key_frames
from .content import ContentKeys, digest_of
from .inputs import Inputs
from .outputs import Output, check_patterns, warn_of_missing
from .plates import Plates
from .profile import MEMORY_EVERY, MEMORY_KEPT, Profile, profile_named
from .request import Request
from .segments import Segment, cut, matted_from, needed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a request comes to: the frames to write, those that lack a plate, keys, segments, and the name of every result."""

    request: Request
    profile: Profile
    plates: Plates
    wanted: tuple[int, ...]
    missing: tuple[int, ...]
    keys: Mapping[int, key_frames.Key]
    segments: tuple[Segment, ...]
    content: ContentKeys
    outputs: tuple[Output, ...]

    def passes(self, frames: list[int], *, kept: Callable[[int], bool]) -> list[Segment]:
        """Return what must be propagated for the mattes of `frames`; `kept` tells which trimaps are there already."""
        lacking = {f for f in matted_from(frames, set(self.plates.frames)) if f not in self.keys and not kept(f)}
        return [part for segment in self.segments if (part := needed(segment, lacking)) is not None]

    def has(self, part: Segment) -> bool:
        """Tell whether a part is one that `passes` may give: a whole span, or a head or tail as far as a frame of it."""
        whole = next((s for s in self.segments if (s.before, s.after) == (part.before, part.after)), None)
        return whole is not None and needed(whole, part.frames) == part

    def key_classes(self, frame: int) -> key_frames.Classes:
        """Return the classes an artist painted on a key frame, H×W uint8 on its plate's data window.

        Raises ImageError, WindowError; ShotError when the file is no longer what the plan names.
        """
        return key_frames.classes_of(self.keys[frame], self.plates, channel=self.request.trimap_channel)


def planned(request: Request, *, inputs: Inputs | None = None, keys: Mapping[int, key_frames.Key] | None = None) -> Plan:
    """Check a request against what is on disk. Raises InputError, UsageError.

    `inputs` names and reads the files. `keys`: the key frames where they are known, as in a shot folder; else the trimaps are read.
    """
    profile = profile_named(request.profile)
    plates = Plates(request.plate, layer=request.layer, view=request.view, colorspace=request.colorspace, inputs=inputs)
    if plates.warning:
        log.warning("%s", plates.warning)
    files = key_frames.find(request.trimap, plates)
    known = keys or {}
    wanted, missing = _wanted(request, plates)
    asked = _patterns(request)
    sources = [
        ("the plate", request.plate),
        ("the trimap", request.trimap),
        ("the garbage matte", request.garbage),
        ("the holdout matte", request.holdout),
    ]
    check_patterns(asked, inputs=[(what, s) for what, s in sources if s is not None], frames=wanted)
    unread = {f: path for f, path in files.items() if f not in known}
    found = {f: known[f] for f in files if f in known}
    found |= {key.frame: key for key, _ in key_frames.read(unread, plates, channel=request.trimap_channel)}
    segments = cut(plates.frames, found)
    _tell_what_lacks(request, wanted)
    content = ContentKeys(
        plate=plates.digest,
        keys={f: k.digest for f, k in found.items()},
        segments=segments,
        frames=frozenset(plates.frames),
        settings=[_settings(request, profile, plates), weights_digest(), VERSION],
    )
    outputs = tuple(Output(what, pattern, _key_of(what, content, request, plates)) for what, pattern in asked)
    return Plan(request, profile, plates, wanted, missing, dict(sorted(found.items())), tuple(segments), content, outputs)


def _wanted(request: Request, plates: Plates) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the frames to write and those asked for, or expected, that are not there."""
    present = set(plates.frames)
    if request.frames is None:
        expected = request.plate.declared or range(plates.frames[0], plates.frames[-1])
        gaps = tuple(f for f in expected if f not in present)
        if gaps:
            raise SequenceError(
                warn_of_missing(request.plate, gaps) + ".",
                remedy=f"Render them again, or solve what exists with --frames {plates.frames[0]}-{plates.frames[-1]}.",
                file=str(request.plate),
                frame=gaps[0],
            )
        return plates.frames, ()
    wanted = tuple(f for f in request.frames if f in present)
    missing = tuple(f for f in request.frames if f not in present)
    if not wanted:
        raise SequenceError(
            warn_of_missing(request.plate, missing) + "; none of --frames exists.", remedy="Check the range.", file=str(request.plate)
        )
    if missing:
        log.warning("%s; they are left out", warn_of_missing(request.plate, missing))
    return wanted, missing


def _patterns(request: Request) -> list[tuple[str, Sequence]]:
    named = [("matte", request.out), ("trimap", request.trimap_out), ("foreground", request.foreground)]
    return [(what, pattern) for what, pattern in named if pattern is not None]


def _tell_what_lacks(request: Request, wanted: tuple[int, ...]) -> None:
    """Warn of frames that a garbage or holdout matte does not have: their alpha stays as it is."""
    for what, files in (("garbage", request.garbage), ("holdout", request.holdout)):
        if files is not None and not files.is_single and (lacking := files.missing(wanted)):
            log.warning("the %s matte %s has no frames %s; they are solved without it", what, files, format_range(lacking))


def _settings(request: Request, profile: Profile, plates: Plates) -> dict[str, object]:
    """Return what besides files, weights and version can change a pixel, as a JSON value."""
    space = plates.space
    colour = [space.name, repr(space.primaries), space.curve.name, space.mixes_linear]
    numbers = {"profile": asdict(profile), "memory": [MEMORY_EVERY, MEMORY_KEPT]}
    return {**numbers, "colorspace": colour, "plate": [request.layer, request.view]}


def _key_of(what: str, content: ContentKeys, request: Request, plates: Plates) -> Callable[[int], str]:
    """Return what names the content of one kind of file: everything its bytes depend on, worked out once."""

    def painted(files: Sequence | None, frame: int) -> str | None:
        return None if files is None else plates.inputs.find(files.path(frame), frame=frame)

    def name(frame: int) -> str:
        if what == "trimap":
            return digest_of([what, content.trimap(frame), plates.digest(frame), request.layer, request.view])
        held = [what, content.alpha(frame), request.depth, painted(request.holdout, frame)]
        return digest_of(held if what == "foreground" else [*held, request.channels, painted(request.garbage, frame)])

    return cache(name)
