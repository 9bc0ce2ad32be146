"""A shot folder, `NAME.vmatte/`: what is asked of the shot, its key frames, its locks. Nothing here computes or needs torch.

The rules:
- `shot.json` is the truth about the shot; every edit reads it, changes it and writes it under the lock file.
- A key file is on the disk before `shot.json` names it, and goes after it is no longer named: a crash between leaves a file too many,
  never a key without one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.exr.landing import storage_error
from bridge.imaging.spaces import known, named
from bridge.imaging.trimap import classify
from bridge.sequence import Sequence, format_range, parse_range
from bridge.window import Window
from bridge.wire.description import Description
from bridge.wire.errors import ForeignFileError, SequenceError, ShotError, TrimapError, UsageError

from . import keys as key_frames
from . import manifest as manifests
from . import painting
from .content import digest_of
from .digests import Digests
from .hold import Hold
from .inputs import Inputs
from .manifest import KeyEntry, Manifest, Place
from .places import found, noted
from .plates import Plates, at
from .profile import profile_named

log = logging.getLogger(__name__)
LOCK = "shot.lock"
PATIENCE = 10.0  # seconds to wait for another edit
HERE = "shot"  # what a description says of a foreground that lies in the shot folder
KEYS, PLATE, TRIMAP = "keys/key.####.exr", "plate/plate.####.exr", "trimap/trimap.####.exr"
KEY_CHANNEL = "A"
OWN = {
    *("shot.json", LOCK, "solve.claim", "digests.json", "failures.json"),
    *("keys", "plate", "garbage", "holdout", "trimap", "alpha", "foreground", "preview"),
}
NAMES_COLOUR = ("plate", "layer", "view", "colorspace")


@dataclass
class Draft:
    """The manifest under an edit."""

    manifest: Manifest


class Shot:
    """A shot folder. Its state is on the disk alone: two objects of one folder see the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digests = Digests(folder / "digests.json")

    @classmethod
    def open(cls, folder: str | Path) -> Shot:
        """Open a shot folder. Raises ShotError when it is none, is damaged, or was written by a newer version."""
        shot = cls(Path(os.path.abspath(os.path.expanduser(folder))))
        _ = shot.manifest
        return shot

    @classmethod
    def create(cls, folder: str | Path, description: Description | None = None) -> Shot:
        """Begin a shot in a folder that is none yet.

        Raises ShotError when there is one, ForeignFileError when the folder holds something else, StorageError, and what `update` raises.
        """
        shot = cls(Path(os.path.abspath(os.path.expanduser(folder))))
        if (shot.folder / manifests.NAME).exists():
            raise ShotError(f"{shot.folder} is a shot already.", remedy="Open it, or choose another name.", file=str(shot.folder))
        said = description or Description()
        first = shot._changed(Manifest(), said)
        try:
            shot.folder.mkdir(parents=True, exist_ok=True)
            strangers = [name for name in os.listdir(shot.folder) if not name.startswith(".") and name not in OWN]
        except OSError as error:
            raise storage_error(shot.folder, error.strerror or str(error), number=error.errno) from error
        if strangers:
            raise ForeignFileError(
                f"{shot.folder} holds {strangers[0]}, which is no part of a shot.",
                remedy="Give a new folder, such as sh010.vmatte.",
                file=str(shot.folder / strangers[0]),
            )
        with Hold(shot.folder / LOCK, doing="edited", patience=PATIENCE):
            if not (shot.folder / manifests.NAME).exists():
                manifests.write(shot.folder / manifests.NAME, first)
        shot.update(said)
        return shot

    @classmethod
    def ready(cls, folder: str | Path, description: Description | None = None) -> Shot:
        """Open a shot and change what the description says, or begin it. Raises what `open`, `create` and `update` raise."""
        if not (Path(os.path.expanduser(folder)) / manifests.NAME).exists():
            return cls.create(folder, description)
        shot = cls.open(folder)
        if description is not None:
            shot.update(description)
        return shot

    @property
    def manifest(self) -> Manifest:
        """What shot.json says now. Raises ShotError."""
        path = self.folder / manifests.NAME
        try:
            return manifests.read(path)
        except OSError as error:
            there = "cannot be read: " + (error.strerror or "") if path.exists() else "is not there"
            raise ShotError(
                f"{self.folder} is no shot folder: {manifests.NAME} {there}.",
                remedy="Check the path, or begin the shot with `videomatte solve PLATE --trimap KEYS --shot FOLDER`.",
                file=str(self.folder),
            ) from error

    @contextmanager
    def editing(self) -> Iterator[Draft]:
        """Hold the lock file and give the manifest to change; it is written on leaving, when it was changed. Raises StorageError."""
        with Hold(self.folder / LOCK, doing="edited", patience=PATIENCE):
            before = self.manifest
            draft = Draft(before)
            yield draft
            if draft.manifest != before:
                manifests.write(self.folder / manifests.NAME, draft.manifest)

    # What is asked of it

    @property
    def description(self) -> Description:
        """What the shot knows, as a description that `update` takes without changing anything."""
        now = self.manifest
        return Description(
            plate=self._where(now, now.plate),
            frames=None if now.range is None else format_range(now.range),
            foreground=HERE if now.foreground else None,
            garbage=self._where(now, now.garbage),
            holdout=self._where(now, now.holdout),
            layer=now.layer,
            view=now.view,
            profile=now.profile,
            colorspace=now.colorspace,
            channels=now.channels,
            depth=now.depth,
        )

    def update(self, description: Description) -> None:
        """Change what a description says of the shot; an empty one changes nothing.

        What is None stays, the empty text takes away; profile, colorspace, channels and depth always count. `frames` is the range of the
        shot, `trimap` sets keys. Raises UsageError for `out` and `trimap_out`, whose places are fixed, SequenceError, ImageError and
        ColourError.
        """
        if description == Description():
            return
        with self.editing() as draft:
            draft.manifest = self._changed(draft.manifest, description)
        if description.trimap:
            self.set_keys(description.trimap, channel=description.trimap_channel)

    def update_place(self, *, plate: str | None = None, garbage: str | None = None, holdout: str | None = None) -> None:
        """Say where some kinds of files are, and nothing else. Raises what `update` raises."""
        now = self.description
        self.update(replace(now, plate=plate or now.plate, garbage=garbage or now.garbage, holdout=holdout or now.holdout))

    def map_paths(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Set the mapping rules: paths below the first of a pair are looked for below the second. Raises StorageError."""
        with self.editing() as draft:
            draft.manifest = replace(draft.manifest, path_mapping=pairs)

    def _changed(self, before: Manifest, said: Description) -> Manifest:
        _refuse_places(said, self.folder)
        profile_named(said.profile)
        plate = self._place(said.plate, before.plate, before)
        declared = Sequence.parse(said.plate).declared if said.plate else None
        after = replace(
            before,
            plate=plate,
            garbage=self._place(said.garbage, before.garbage, before),
            holdout=self._place(said.holdout, before.holdout, before),
            range=before.range if said.frames is None else (parse_range(said.frames) if said.frames else None),
            layer=before.layer if said.layer is None else (said.layer or None),
            view=before.view if said.view is None else (said.view or None),
            profile=said.profile,
            colorspace=said.colorspace,
            channels=said.channels,
            depth=said.depth,
            foreground=before.foreground if said.foreground is None else bool(said.foreground),
        )
        if declared is not None and after.range is None:
            after = replace(after, range=declared)
        if any(getattr(before, name) != getattr(after, name) for name in NAMES_COLOUR):
            after = replace(after, colour=None)
        return after if after.colour else replace(after, colour=self._colour(after))

    def _colour(self, manifest: Manifest) -> str | None:
        """Return the colour space of a plate that is there already."""
        setting = manifest.colorspace
        if setting not in ("", "auto"):
            return named(setting).name
        plate = self._where(manifest, manifest.plate)
        if plate is None or not Sequence.parse(plate).frames(allow_none=True):
            return None
        plates = Plates(Sequence.parse(plate), layer=manifest.layer, view=manifest.view, colorspace=setting)
        if plates.warning:
            log.warning("%s", plates.warning)
        return plates.space.name

    def _place(self, text: str | None, before: Place | None, manifest: Manifest) -> Place | None:
        """Return where files are; what leads there already stays as it was written, for machines that see other paths."""
        if text is None or text == self._where(manifest, before):
            return before
        return noted(Sequence.parse(text), folder=self.folder) if text else None

    def _where(self, manifest: Manifest, place: Place | None) -> str | None:
        return None if place is None else found(place, folder=self.folder, mapping=manifest.path_mapping)

    def plates(self, manifest: Manifest | None = None) -> Plates:
        """Return the plates. Raises ShotError when the shot has none, SequenceError, ImageError, ColourError."""
        now = manifest or self.manifest
        plate = self._where(now, now.plate)
        if plate is None:
            raise ShotError(f"{self.folder} has no plate yet.", remedy="Give one: `videomatte solve PLATE --shot FOLDER`.")
        return Plates(Sequence.parse(plate), layer=now.layer, view=now.view, colorspace=self.space(now), inputs=Inputs(self.digests))

    @staticmethod
    def space(manifest: Manifest) -> str:
        """Return the setting that gives a shot the colour space that was fixed for it."""
        return manifest.colour if manifest.colour and known(manifest.colour) else manifest.colorspace

    # Key frames

    @property
    def keys(self) -> Mapping[int, KeyEntry]:
        """The key frames."""
        return self.manifest.keys

    def key_path(self, frame: int) -> Path:
        """Return where the file of a key is, or would be."""
        return Sequence.parse(self.folder / KEYS).path(frame)

    def set_key(self, frame: int, file: str | Path, *, channel: str | None = None) -> bool:
        """Copy a painted trimap as the key of a frame; return whether anything changed.

        Raises SequenceError when the frame has no plate, ImageError, WindowError, StorageError.
        """
        return bool(self._set({frame: Path(file)}, channel=channel))

    def set_key_pixels(self, frame: int, values: NDArray[np.floating], *, window: Window | None = None) -> bool:
        """Set the key of a frame from pixels; return whether anything changed.

        values: H×W float, 0 background to 1 foreground. window: where they lie in display coordinates; when left out, by their size
        on the plate's data window, else on its display window. Raises SequenceError, WindowError, StorageError.
        """
        plates = self.plates()
        self._check_frames([frame], plates)
        with at(frame):
            classes = classify(painting.on_plate(values, onto=plates.header(frame), window=window))
        with self.editing() as draft:
            digest = painting.land(self.key_path(frame), classes, onto=plates.header(frame))
            before = draft.manifest.keys.get(frame)
            draft.manifest = _with_key(draft.manifest, frame, KeyEntry(digest))
        return before is None or before.digest != digest

    def set_keys(self, pattern: str | Path, *, channel: str | None = None, only: bool = False) -> tuple[int, ...]:
        """Set the keys that a pattern of painted trimaps holds; return the frames that changed.

        A file that is the one a key was copied from is not read again. Keys that the pattern does not hold stay, unless `only`.
        Raises SequenceError, TrimapError, ImageError, WindowError, StorageError.
        """
        files = key_frames.find(Sequence.parse(pattern), self.plates())
        changed = self._set(files, channel=channel)
        gone = tuple(f for f in self.keys if f not in files) if only else ()
        for frame in gone:
            self.remove_key(frame)
        return tuple(sorted({*changed, *gone}))

    def remove_key(self, frame: int) -> None:
        """Take a key away. Raises TrimapError when the frame has none, StorageError."""
        with self.editing() as draft:
            keys = dict(draft.manifest.keys)
            if keys.pop(frame, None) is None:
                raise TrimapError(f"Frame {frame} of {self.folder} has no key.", remedy=_held(keys), frame=frame)
            draft.manifest = replace(draft.manifest, keys=keys)
        with suppress(OSError):
            self.key_path(frame).unlink()

    def _set(self, files: Mapping[int, Path], *, channel: str | None) -> list[int]:
        plates, changed = self.plates(), []
        self._check_frames(list(files), plates)
        for frame, path in sorted(files.items()):
            painted = digest_of([plates.inputs(path, frame=frame), channel])
            entry = self.keys.get(frame)
            if entry is not None and entry.painted == painted and self.key_path(frame).exists():
                continue
            matte, classes = key_frames.painted(path, frame, plates, channel=channel)
            with self.editing() as draft:
                digest = painting.land(self.key_path(frame), classes, onto=plates.header(frame))
                draft.manifest = _with_key(draft.manifest, frame, KeyEntry(digest, matte.channel, painted))
            if entry is None or entry.digest != digest:
                changed.append(frame)
        self.digests.save()
        return changed

    def _check_frames(self, frames: list[int], plates: Plates) -> None:
        for frame in frames:
            if frame not in plates.frames:
                raise SequenceError(
                    f"{plates.sequence} has no frame {frame}, so it cannot be a key.",
                    remedy=f"The plate holds {format_range(plates.frames)}.",
                    frame=frame,
                )

    # Locks

    @property
    def locked(self) -> frozenset[int]:
        """The frames whose results are never written again."""
        return self.manifest.locked

    def lock(self, frames: Collection[int]) -> None:
        """Lock frames: their results stay, byte for byte, whatever changes. Raises StorageError."""
        with self.editing() as draft:
            draft.manifest = replace(draft.manifest, locked=draft.manifest.locked | frozenset(frames))

    def unlock(self, frames: Collection[int]) -> None:
        """Unlock frames. Raises StorageError."""
        with self.editing() as draft:
            draft.manifest = replace(draft.manifest, locked=draft.manifest.locked - frozenset(frames))


def _with_key(manifest: Manifest, frame: int, entry: KeyEntry) -> Manifest:
    return replace(manifest, keys={**manifest.keys, frame: entry})


def _held(keys: Mapping[int, KeyEntry]) -> str:
    return f"It has keys at {format_range(keys)}." if keys else "It has no keys yet."


def _refuse_places(said: Description, folder: Path) -> None:
    """Raise UsageError for places that a shot folder itself fixes."""
    lies = {"out": folder / "alpha", "trimap_out": folder / TRIMAP}
    if said.foreground not in (None, "", HERE):
        lies["foreground"] = folder / "foreground"
    for name, where in lies.items():
        if getattr(said, name):
            option = name.replace("_", "-")
            meant = " Say --foreground without a pattern." if name == "foreground" else ""
            raise UsageError(
                f"A shot folder has its own place for --{option}: {where}.",
                remedy=f"Leave --{option} out, or leave --shot out to write elsewhere.{meant}",
            )
