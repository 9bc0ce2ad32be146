"""Solve a shot without a shot folder: propagate what is needed, matte what is asked for, write what is not there yet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.foreground import estimate_foreground
from bridge.imaging.holdout import apply_garbage, apply_holdout
from bridge.imaging.spaces import linear_name
from bridge.imaging.trimap import to_values
from bridge.sequence import Sequence, format_range
from bridge.version import VERSION
from bridge.wire.errors import SequenceError

from . import keys as key_frames
from .content import ContentKeys, digest_of, file_digest
from .flow import Behind
from .matte import Matter
from .outputs import CONTENT, Output, State, check_patterns, make_ready, to_do, warn_of_missing
from .plates import Plate, Plates, at
from .propagate import Propagator
from .request import Advanced, Began, Event, Landed, Request, Summary
from .scratch import Scratch, Trimaps
from .segments import Segment, cut, needed, with_neighbours
from .settings import MEMORY_EVERY, MEMORY_KEPT, Engine, Profile, engine_for, prepare, profile_named
from .weights import Networks, load_networks, weights_digest

log = logging.getLogger(__name__)
Tell = Callable[[Event], None]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Solve:
    """One solve, understood and checked: nothing of it is computed yet."""

    request: Request
    engine: Engine
    profile: Profile
    plates: Plates
    wanted: tuple[int, ...]
    missing: tuple[int, ...]
    keys: Mapping[int, key_frames.Key]
    segments: tuple[Segment, ...]
    content: ContentKeys
    outputs: tuple[Output, ...]


def solve(request: Request, *, tell: Tell) -> Summary:
    """Solve a request and return what it came to; `tell` hears what happens.

    Frames whose files carry the same content key are kept. Raises VideoMatteError and nothing else that an artist can cause.
    """
    begun = time.monotonic()
    with Scratch() as scratch:
        trimaps = Trimaps(scratch)
        solving = understood(request, trimaps)
        make_ready(solving.outputs)
        todo = to_do(solving.outputs, solving.wanted, overwrite=request.overwrite)
        kept = tuple(sorted(set(solving.wanted) - set(todo)))
        engine = solving.engine
        tell(Began(solving.wanted, kept, tuple(solving.keys), solving.missing, engine.device, engine.precision, solving.plates.space.name))
        if todo:
            prepare(engine)
            exr.set_threads(max(1, engine.threads // 2))
            networks = load_networks(engine.torch_device)
            _propagate(solving, networks, trimaps, scratch, todo, tell)
            _matte(solving, networks, trimaps, todo, tell)
    return Summary(tuple(todo), kept, solving.missing, time.monotonic() - begun)


def understood(request: Request, trimaps: Trimaps) -> Solve:
    """Check a request against what is on disk, and land the artist's own trimaps. Raises InputError, UsageError, DeviceError."""
    engine, profile = engine_for(request.device), profile_named(request.profile)
    plates = Plates(request.plate, layer=request.layer, view=request.view, colorspace=request.colorspace)
    if plates.warning:
        log.warning("%s", plates.warning)
    files = key_frames.find(request.trimap, plates)
    wanted, missing = _wanted(request, plates)
    asked = _patterns(request)
    sources = [
        ("the plate", request.plate),
        ("the trimap", request.trimap),
        ("the garbage matte", request.garbage),
        ("the holdout matte", request.holdout),
    ]
    check_patterns(asked, inputs=[(what, s) for what, s in sources if s is not None], frames=wanted)
    keys = {}
    for key, classes in key_frames.read(files, plates, channel=request.trimap_channel):
        keys[key.frame] = key
        trimaps.land(key.frame, classes)
    segments = cut(plates.frames, keys)
    _tell_what_lacks(request, wanted)
    content = ContentKeys(
        plate=plates.digest,
        keys={f: k.digest for f, k in keys.items()},
        segments=segments,
        frames=frozenset(plates.frames),
        settings=[_settings(request, engine, profile, plates), weights_digest(), VERSION],
    )
    outputs = tuple(Output(what, pattern, _key_of(what, content, request, plates)) for what, pattern in asked)
    return Solve(request, engine, profile, plates, wanted, missing, keys, tuple(segments), content, outputs)


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


def _settings(request: Request, engine: Engine, profile: Profile, plates: Plates) -> dict[str, object]:
    """Return what besides files, weights and version can change a pixel, as a JSON value."""
    space = plates.space
    colour = [space.name, repr(space.primaries), space.curve.name, space.mixes_linear]
    numbers = {"profile": asdict(profile), "memory": [MEMORY_EVERY, MEMORY_KEPT]}
    return {"engine": engine.identity, **numbers, "colorspace": colour, "plate": [request.layer, request.view]}


def _key_of(what: str, content: ContentKeys, request: Request, plates: Plates) -> Callable[[int], str]:
    """Return what names the content of one kind of file: everything its bytes depend on."""

    def painted(files: Sequence | None, frame: int) -> str | None:
        path = None if files is None else files.path(frame)
        return file_digest(path, frame=frame) if path is not None and path.exists() else None

    def name(frame: int) -> str:
        if what == "trimap":
            return digest_of([what, content.trimap(frame), plates.digest(frame), request.layer, request.view])
        held = [what, content.alpha(frame), request.depth, painted(request.holdout, frame)]
        return digest_of(held if what == "foreground" else [*held, request.channels, painted(request.garbage, frame)])

    return name


def _propagate(solving: Solve, networks: Networks, trimaps: Trimaps, scratch: Scratch, todo: list[int], tell: Tell) -> None:
    wanted = with_neighbours(todo, set(solving.plates.frames))
    parts = [part for s in solving.segments if (part := needed(s, wanted)) is not None]
    total = sum(len(part.frames) * len(part.keys) for part in parts)
    propagator = Propagator(networks.propagation, engine=solving.engine, profile=solving.profile, plates=solving.plates, trimaps=trimaps)
    done = 0

    def tick(frame: int) -> None:
        nonlocal done
        done += 1
        tell(Advanced("propagate", frame, done, total))

    for part in parts:
        log.info("propagate %s: %d frames", part.name, len(part.frames))
        propagator.propagate(part, scratch=scratch, tick=tick)


def _matte(solving: Solve, networks: Networks, trimaps: Trimaps, todo: list[int], tell: Tell) -> None:
    matter = Matter(networks.matting, engine=solving.engine, profile=solving.profile, plates=solving.plates, trimaps=trimaps)
    writer = Writer(solving, trimaps, networks.digest)
    count = 0

    def land(solved: tuple[Plate, Floats]) -> None:
        nonlocal count
        files = writer.write(*solved)
        count += 1
        tell(Landed(solved[0].frame, files))
        tell(Advanced("matte", solved[0].frame, count, len(todo)))

    with Behind(land, depth=1) as behind:
        for solved in matter.mattes(todo, present=frozenset(solving.plates.frames)):
            behind.put(solved)


class Writer:
    """Writes the files of a frame: what comes after the network, then provenance, then the verified EXR.

    The holdout comes first and shapes the foreground too, so that what is kept keeps the plate's colour; garbage comes last and wins.
    """

    def __init__(self, solving: Solve, trimaps: Trimaps, weights: str) -> None:
        self._solving, self._trimaps, self._weights = solving, trimaps, weights

    def write(self, plate: Plate, alpha: Floats) -> tuple[Path, ...]:
        """Write the outputs of a frame that are not there yet and return their paths. Raises StorageError, ImageError, WindowError."""
        again = self._solving.request.overwrite
        with at(plate.frame):
            held = self._under(self._solving.request.holdout, apply_holdout, plate, alpha)
            wanted = [o for o in self._solving.outputs if again or o.state(plate.frame) is not State.CURRENT]
            return tuple(self._write(output, plate, held) for output in wanted)

    def _write(self, output: Output, plate: Plate, alpha: Floats) -> Path:
        request, path = self._solving.request, output.files.path(plate.frame)
        attributes = self._provenance(output, plate.frame)
        if output.name == "trimap":
            exr.write_trimap(path, to_values(self._trimaps(plate.frame)), like=plate.header, attributes=attributes)
        elif output.name == "foreground":
            colours = estimate_foreground(self._solving.plates.transform.scene_linear(plate.rgb), alpha)
            space = linear_name(self._solving.plates.space)
            exr.write_rgb(path, colours, like=plate.header, depth=request.depth, interop_id=space, attributes=attributes)
        else:
            matte = self._under(request.garbage, apply_garbage, plate, alpha)
            exr.write_matte(path, matte, like=plate.header, channels=request.channels, depth=request.depth, attributes=attributes)
        return path

    @staticmethod
    def _under(files: Sequence | None, apply: Callable[[Floats, Floats], Floats], plate: Plate, alpha: Floats) -> Floats:
        """Apply a garbage or holdout matte where the frame has one."""
        if files is None or not files.path(plate.frame).exists():
            return alpha
        return apply(alpha, key_frames.read_matte(files.path(plate.frame), onto=plate.header).values)

    def _provenance(self, output: Output, frame: int) -> dict[str, str]:
        """Name this frame's own inputs and its content key; nothing about job, host or time."""
        solving = self._solving
        return {
            CONTENT: output.key(frame),
            "kind": output.name,
            "version": VERSION,
            "weights": self._weights,
            "profile": solving.profile.name,
            "precision": f"{solving.engine.torch_device.type} {solving.engine.precision}",
            "colorspace": solving.plates.space.name,
            "plate": solving.plates.digest(frame),
            "trimap": solving.content.trimap(frame),
        }
