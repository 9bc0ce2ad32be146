"""What a solve writes: which frames are there already, which are stale, what must not be touched."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from bridge import exr
from bridge.sequence import Sequence as Files
from bridge.sequence import format_range
from bridge.wire.errors import ForeignFileError, StorageError, UsageError

CONTENT = "content"  # the provenance attribute that carries a file's content key


class State(Enum):
    """How a file on disk stands to what would be written there."""

    ABSENT = "absent"
    """No file has the name."""
    CURRENT = "current"
    """Ours, with the same content key: no work."""
    STALE = "stale"
    """Ours, of other content: replaced."""
    FOREIGN = "foreign"
    """Not ours: an error, unless told to overwrite."""


def content_in(path: Path) -> str | None:
    """Return the content key in a file, the empty text in one of ours without, None in one that is not ours."""
    provenance = exr.read_provenance(path)
    return None if provenance is None else provenance.get(CONTENT, "")


@dataclass(frozen=True)
class Output:
    """One kind of file of a shot: its pattern, the content key of each frame, and how the key in a file is read."""

    name: str
    files: Files
    key: Callable[[int], str]
    content: Callable[[Path], str | None] = content_in

    def state(self, frame: int) -> State:
        """Return how the file of a frame stands; its key is only computed when there is a file of ours."""
        path = self.files.path(frame)
        if not os.path.lexists(path):
            return State.ABSENT
        found = self.content(path)
        if found is None:
            return State.FOREIGN
        return State.CURRENT if found == self.key(frame) else State.STALE


def check_patterns(outputs: Sequence[tuple[str, Files]], *, inputs: Iterable[tuple[str, Files]], frames: Sequence[int]) -> None:
    """Raise UsageError when an output would land on an input or another output, join an input's frames, cannot hold all, or is no EXR."""
    inputs = list(inputs)
    place_of = _Places()
    taken = {place_of(files, frame): what for what, files in inputs for frame in files.frames(allow_none=True)}
    for what, files in outputs:
        if Path(files.name).suffix.lower() != ".exr":
            raise UsageError(
                f"{what} {files} does not end in .exr: mattes are float EXR.",
                remedy="Give a pattern like out/matte.####.exr, or a folder that ends in a slash.",
            )
        if files.is_single and len(frames) > 1:
            raise UsageError(
                f"{what} {files} is one file, and {len(frames)} frames would be written to it.",
                remedy="Give a pattern like out/matte.####.exr.",
            )
        for frame in frames:
            place = place_of(files, frame)
            if place in taken:
                raise UsageError(
                    f"{what} {files} is the same file as {taken[place]} at frame {frame}.", remedy="Write to another folder or name."
                )
            taken[place] = what
        for source, read in inputs:
            if _joins(files.path(frames[0]), read):
                raise UsageError(
                    f"{what} {files} has the pattern of {source}: what is written would be read as {source} the next time.",
                    remedy="Write to another folder or name.",
                )


def to_do(outputs: Sequence[Output], frames: Sequence[int], *, overwrite: bool) -> list[int]:
    """Return the frames of which at least one file is absent or stale.

    Raises ForeignFileError naming the files in the way, before anything is solved.
    """
    todo, foreign = [], []
    for frame in frames:
        states = [(output, output.state(frame)) for output in outputs]
        foreign += [o.files.path(frame) for o, s in states if s is State.FOREIGN]
        if overwrite or any(s is not State.CURRENT for _, s in states):
            todo.append(frame)
    if foreign and not overwrite:
        shown = ", ".join(str(p) for p in foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        raise ForeignFileError(
            f"Files that videomatte did not write are in the way: {shown}.",
            remedy="Move them, choose another --out, or say --overwrite.",
            file=str(foreign[0]),
        )
    return todo


def make_ready(outputs: Sequence[Output]) -> None:
    """Make the folders, prove that they can be written and sweep what a dead process left. Raises StorageError."""
    for folder in sorted({output.files.folder for output in outputs}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be written: {error.strerror}",
                remedy="Check the path, its permissions and the free space.",
                file=str(folder),
            ) from error
        exr.sweep_temporaries(folder)


def warn_of_missing(plate: Files, missing: Sequence[int]) -> str:
    """Return the sentence that lists plate frames that are not there."""
    return f"{plate}: {len(missing)} frame{'s are' if len(missing) != 1 else ' is'} missing: {format_range(missing)}"


def _joins(path: Path, files: Files) -> bool:
    """Return whether a file would be one of a sequence's frames."""
    numbered = re.fullmatch(f"{re.escape(files.head)}-?[0-9]+{re.escape(files.tail)}", path.name, re.DOTALL)
    return not files.is_single and numbered is not None and os.path.realpath(path.parent) == os.path.realpath(files.folder)


class _Places:
    """Tells where the file of a frame really is; a folder is looked at once."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[str, set[str]]] = {}

    def __call__(self, files: Files, frame: int) -> str:
        path = files.path(frame)
        if files.folder not in self._folders:
            self._folders[files.folder] = os.path.realpath(files.folder), _links(files.folder)
        folder, links = self._folders[files.folder]
        return os.path.realpath(path) if path.name in links else os.path.join(folder, path.name)


def _links(folder: Path) -> set[str]:
    """Return the names in a folder that are links; one that cannot be listed holds none."""
    try:
        with os.scandir(folder) as found:
            return {entry.name for entry in found if entry.is_symlink()}
    except OSError:
        return set()
