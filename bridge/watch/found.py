"""The shots in a watched folder as they are now: plates paired with trimaps, and what was said of them.

Only folders that changed are looked through again; the rest is remembered.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bridge.sequence import Sequence, format_range, parse_range
from bridge.wire.description import Description
from bridge.wire.errors import InputError, SequenceError, UsageError, VideoMatteError

from .rules import Match, Rules
from .scan import WORDS, Listing, Stamp
from .settings import Settings, settings_for

Files = Mapping[str, Stamp]
SENTINEL, JOB, TOML = "ready", "job.json", "videomatte.toml"


@dataclass(frozen=True)
class Found:
    """A shot as it lies in the watched folder. `frames` and `keys`: whole paths by frame; `stamps`: of all of them, and of the garbage and
    holdout mattes in the watched folder, by path.

    `problem`: why it can be no shot as it is. `sentinel`: whether somebody said that it is complete.
    """

    name: str
    plate: Sequence | None
    frames: Mapping[int, str]
    keys: Mapping[int, str]
    stamps: Files = field(repr=False)
    settings: Settings = field(default_factory=Settings)
    sentinel: bool = False
    problem: VideoMatteError | None = None
    root: str = ""

    @cached_property
    def inputs(self) -> Files:
        """The stamps by path from the watched folder on, which other machines may see elsewhere."""
        return {path.removeprefix(self.root).lstrip("/"): stamp for path, stamp in self.stamps.items()}

    @cached_property
    def wanted(self) -> tuple[int, ...]:
        """The frames to deliver: those that were said, else all from the first to the last."""
        if self.settings.range is not None:
            return parse_range(self.settings.range)
        return tuple(range(min(self.frames), max(self.frames) + 1)) if self.frames else ()

    @cached_property
    def lacking(self) -> tuple[int, ...]:
        """The wanted frames that are not there."""
        return tuple(f for f in self.wanted if f not in self.frames)

    @cached_property
    def orphans(self) -> tuple[int, ...]:
        """The trimaps whose plate is not there."""
        return tuple(sorted(set(self.keys) - set(self.frames)))

    @cached_property
    def fingerprint(self) -> str:
        """A text that another delivery, or another word about the shot, changes."""
        said = repr((sorted(self.inputs.items()), self.settings.as_words()))
        return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()

    @property
    def solved_frames(self) -> tuple[int, ...]:
        """The wanted frames that are there."""
        return tuple(f for f in self.wanted if f in self.frames)

    def described(self) -> Description:
        """Return what to ask of the daemon; the empty text takes away what an earlier delivery said."""
        said = self.settings
        return Description(
            plate=str(self.plate),
            frames=format_range(self.solved_frames) if said.range or self.lacking else "",
            foreground="shot" if "foreground" in said.outputs else "",
            garbage=said.garbage or "",
            holdout=said.holdout or "",
            layer=said.layer or "",
            view=said.view or "",
            profile=said.profile,
            colorspace=said.colorspace,
            channels=said.channels,  # type: ignore[arg-type]
            depth=said.depth,  # type: ignore[arg-type]
        )


@dataclass
class _Parts:
    """What rules claimed for one shot."""

    plates: dict[tuple[str, str, str], dict[int, tuple[str, str]]] = field(default_factory=dict)
    keys: dict[int | None, list[str]] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)


class Pairing:
    """Pairs plates and trimaps of a tree, and remembers what it found in folders that did not change."""

    def __init__(self, root: Path, rules: Rules) -> None:
        self._root, self._rules = root, rules
        self._claims: dict[str, list[tuple[Match, str, Stamp]]] = {}
        self._whole: dict[str, Listing] = {}
        self._mattes_in: dict[str, frozenset[str]] = {}
        self.shots: dict[str, Found] = {}

    def update(self, tree: Mapping[str, Listing], changed: Iterable[str]) -> dict[str, Found]:
        """Return the shots of a tree in which some folders changed; where nothing did, the same as before."""
        changed = frozenset(changed)
        if not changed:
            return self.shots
        touched = {shot for shot, folders in self._mattes_in.items() if not changed.isdisjoint(folders)}
        words = any(WORDS & {*self._whole.get(f, ()), *tree.get(f, ())} for f in changed)
        for folder in changed:
            touched |= {match.shot for match, _, _ in self._claims.pop(folder, ())}
            if folder in tree:
                self._claims[folder] = self._claimed(folder, tree[folder])
                touched |= {match.shot for match, _, _ in self._claims[folder]}
        self._whole = dict(tree)
        parts: dict[str, _Parts] = {}
        for folder, claims in self._claims.items():
            for match, name, stamp in claims:
                if words or match.shot in touched:
                    _add(parts.setdefault(match.shot, _Parts()), match, f"{folder}/{name}" if folder else name, stamp, self._root)
        kept = {} if words else {name: found for name, found in self.shots.items() if name not in touched}
        made = {name: self._found(name, part, tree) for name, part in parts.items() if part.plates}
        self.shots = dict(sorted({**kept, **made}.items()))
        return self.shots

    def _claimed(self, folder: str, listing: Listing) -> list[tuple[Match, str, Stamp]]:
        match = self._rules.match
        return [(found, name, stamp) for name, stamp in listing.items() if name not in WORDS and (found := match(folder, name))]

    def _found(self, name: str, parts: _Parts, tree: Mapping[str, Listing]) -> Found:
        (folder, head, tail), files = next(iter(parts.plates.items()))
        said, problem = self._settings(folder, tree)
        if len(parts.plates) > 1:
            both = " and ".join(sorted(f"{f}/{h}####{t}" for f, h, t in parts.plates)[:2])
            problem = SequenceError(f"{name} has two plates: {both}.", remedy="Move one of the two to a shot of its own.", file=folder)
        paths = {frame: path for frame, (path, _) in files.items()}
        plate = Sequence(Path(folder), head, _padding(digits for _, digits in files.values()), tail)
        keys = {min(paths) if frame is None else frame: path for frame, (path, *_) in _first(parts.keys)}
        doubled = [f for f, several in parts.keys.items() if len(several) > 1]
        if doubled:
            several = " and ".join(sorted(parts.keys[doubled[0]])[:2])
            problem = InputError(f"{name} has two trimaps for one frame: {several}.", remedy="Move one of the two away.", file=several)
        odd = next((path for path in sorted(parts.stamps) if not _is_utf8(path)), None)
        if odd is not None:
            problem = InputError(f"The name of {odd} is no UTF-8.", remedy="Rename it, or the folder it is in.", file=odd)
        stamps = {**self._mattes(name, said, tree), **parts.stamps}
        where = Path(folder).relative_to(self._root).as_posix()
        sentinel = SENTINEL in tree.get("" if where == "." else where, {})
        return Found(name, plate, dict(sorted(paths.items())), dict(sorted(keys.items())), stamps, said, sentinel, problem, str(self._root))

    def _mattes(self, shot: str, said: Settings, tree: Mapping[str, Listing]) -> dict[str, Stamp]:
        """Return the stamps of the garbage and holdout mattes said of a shot, as far as they lie in the watched folder."""
        stamps: dict[str, Stamp] = {}
        folders: set[str] = set()
        for text in filter(None, (said.garbage, said.holdout)):
            try:
                mattes = Sequence.parse(os.path.normpath(text))
                folder = mattes.folder.relative_to(self._root).as_posix()
            except (SequenceError, ValueError):
                continue  # what is wrong with it the daemon says; what lies elsewhere nobody looks at
            where = "" if folder == "." else folder
            folders.add(where)
            listing = tree.get(where, {})
            stamps |= {str(mattes.folder / name): stamp for name, stamp in listing.items() if mattes.matches(name)}
        self._mattes_in[shot] = frozenset(folders)
        return stamps

    def _settings(self, folder: str, tree: Mapping[str, Listing]) -> tuple[Settings, VideoMatteError | None]:
        """Return what was said of the shots in a folder, and what is wrong with it."""
        here = Path(folder).relative_to(self._root)
        names = ["" if p == Path(".") else p.as_posix() for p in reversed((here, *here.parents))]
        files = [(name, TOML) for name in dict.fromkeys(names)] + [("" if here == Path(".") else here.as_posix(), JOB)]
        there = tuple((self._root / where / word, tree[where][word]) for where, word in files if word in tree.get(where, {}))
        try:
            found = settings_for(there)
        except (InputError, UsageError) as error:
            return Settings(), error
        inputs = {name: str(Path(folder, value)) for name in ("garbage", "holdout") if (value := getattr(found, name))}
        return (found if not inputs else Settings(**{**vars(found), **inputs})), None


def _add(parts: _Parts, match: Match, name: str, stamp: Stamp, root: Path) -> None:
    path = f"{root}/{name}"
    parts.stamps[path] = stamp
    if match.what == "plate":
        assert match.frame is not None
        sequence = parts.plates.setdefault((path.rpartition("/")[0], match.head, match.tail), {})
        sequence[match.frame] = (path, match.digits)
    else:
        parts.keys.setdefault(match.frame, []).append(path)


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first(keys: Mapping[int | None, list[str]]) -> list[tuple[int | None, list[str]]]:
    """Return keys with those that tell their frame last, so that they count over one that belongs to the first plate."""
    return sorted(keys.items(), key=lambda item: item[0] is not None)


def _padding(digits: Iterable[str]) -> int:
    """Return how many digits the frames of a sequence are padded to."""
    return min(len(text) for text in digits)
