"""An image sequence as artists name it: one pattern, and the frames of it that exist on disk.

The rules:
- The last `####`, `@@@@`, `%04d` or `$F4` of the file name stands for the frame; every `#` and `@` is one digit, as in Nuke, and a frame
  with more digits grows. Folder names are taken as they are, brackets, stars and all.
- A name without such a token is one single file. Its number is what stands before the extension after `.` or `_`, or the whole name:
  `x.1001.exr` and `0007.png` have one, `x_v001.exr` and `x.exr` have none and count as frame 0.
- A file that exists under exactly the text given is that one file, whatever characters it holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import fileseq

from bridge.wire.errors import SequenceError

MOST_FRAMES = 1_000_000
SIDECARS = frozenset({"", ".tmp", ".part", ".db", ".ini", ".txt", ".json", ".xml", ".log"})
RANGE_EXAMPLE = "Write frames like 1001-1100, 1001-1100x2 or 1001,1003-1005."
PATTERN_EXAMPLE = "Give a pattern like shots/plate.####.exr, or one file."

_TOKEN = re.compile(r"#+|@+|%\d*d|\$F\d*")
_ITEM = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?")
_CARRIED = re.compile(r"(?P<head>|.*[._ ])(?P<range>-?\d+(?:[-,x]-?\d+)+)")
_TRAILING_RANGE = re.compile(r"(?P<pattern>.+\S)\s+(?P<range>-?\d+-(?:-?\d+)(?:x\d+)?)")
_NUMBER = re.compile(r"(?:.*[._])?(-?\d+)")


def parse_range(text: str) -> tuple[int, ...]:
    """Read `1001-1100x2,1203` as frame numbers, ascending and each once.

    Raises:
        SequenceError: the text is no range, runs backwards, or asks for more than a million frames.
    """
    frames: set[int] = set()
    count = 0
    for item in text.split(","):
        span = _span(item.strip(), text)
        count += len(span)
        if count > MOST_FRAMES:
            raise SequenceError(f"the range {text!r} asks for more than {MOST_FRAMES:,} frames", remedy=RANGE_EXAMPLE)
        frames.update(span)
    return tuple(sorted(frames))


def _span(item: str, text: str) -> range:
    match = _ITEM.fullmatch(item)
    if match is None or not item.isascii() or len(item) > 64:
        raise SequenceError(f"{text[:200]!r} is not a frame range", remedy=RANGE_EXAMPLE)
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    step = int(match[3] or 1)
    if last < first:
        raise SequenceError(f"the range {text!r} runs backwards: {first} is after {last}", remedy=f"Write {last}-{first}.")
    if step < 1:
        raise SequenceError(f"the range {text!r} has a step of 0", remedy=RANGE_EXAMPLE)
    return range(first, last + 1, step)


def format_range(frames: Iterable[int]) -> str:
    """Write frames as `1001-1003,1005`, the inverse of `parse_range`; no frames are the empty text."""
    return str(fileseq.framesToFrameRange(sorted(set(frames))))


@dataclass(frozen=True)
class Sequence:
    """A pattern of file names in one folder: `head`, the frame in at least `padding` digits, `tail`.

    A single file has `padding` 0 and its whole name in `head`; `number` is the frame its name carries, if any.
    `declared` are the frames a pattern like `plate.1001-1010#.exr` carries itself.
    """

    folder: Path
    head: str
    padding: int = 0
    tail: str = ""
    number: int | None = None
    declared: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, text: str | Path) -> Sequence:
        """Read a pattern or one file's path; nothing needs to exist.

        Raises:
            SequenceError: the text is empty, a folder, or holds a view token or a range that cannot be read.
        """
        typed = os.path.expanduser(_unquoted(str(text)))
        if not typed or "\0" in typed:
            raise SequenceError("the path of the sequence is empty", remedy=PATTERN_EXAMPLE)
        path = Path(typed)
        if os.path.isfile(path):
            return cls._single(path)
        if typed.endswith(("/", os.sep)) or os.path.isdir(path):
            raise SequenceError(f"{typed} is a folder{_held_by(path)}", remedy=PATTERN_EXAMPLE, file=typed)
        if trailing := _TRAILING_RANGE.fullmatch(typed):
            apart = Path(trailing["pattern"])
            if _TOKEN.search(apart.name):
                return cls._pattern(apart, parse_range(trailing["range"]))
        if re.search(r"%[vV](?!\w)", typed):
            remedy = "Write the name of the view in place of %V."
            raise SequenceError(f"{typed} holds %V: one sequence is one view", remedy=remedy, file=typed)
        return cls._pattern(path, None) if _TOKEN.search(path.name) else cls._single(path)

    @classmethod
    def _single(cls, path: Path) -> Sequence:
        number = _NUMBER.fullmatch(path.stem)
        return cls(path.parent, path.name, number=int(number[1]) if number else None)

    @classmethod
    def _pattern(cls, path: Path, declared: tuple[int, ...] | None) -> Sequence:
        token = list(_TOKEN.finditer(path.name))[-1]
        head, tail = path.name[: token.start()], path.name[token.end() :]
        if carried := _CARRIED.fullmatch(head):
            head, declared = carried["head"], parse_range(carried["range"])
        padding = fileseq.FileSequence(f"x.{token[0]}.exr", pad_style=fileseq.PAD_STYLE_HASH1).zfill()
        return cls(path.parent, head, max(1, int(padding)), tail, declared=declared)

    @property
    def is_single(self) -> bool:
        """Tell whether this is one file and not a pattern."""
        return self.padding == 0

    @property
    def name(self) -> str:
        """The canonical file name, the frame as `####`."""
        return f"{self.head}{'#' * self.padding}{self.tail}"

    @property
    def pattern(self) -> str:
        """The canonical text: folder and name, the frame as `####`; `Sequence.parse` reads it back."""
        return str(self.folder / self.name)

    def __str__(self) -> str:
        return self.pattern

    def path(self, frame: int) -> Path:
        """Return where `frame` is, or would be written; a single file is the same path for every frame."""
        if self.is_single:
            return self.folder / self.head
        path = self._numbered(str(frame).zfill(self.padding))
        if frame < 0 and not path.exists():
            wider = self._numbered(f"-{str(-frame).zfill(self.padding)}")
            return wider if wider.exists() else path
        return path

    def _numbered(self, digits: str) -> Path:
        return self.folder / f"{self.head}{digits}{self.tail}"

    def matches(self, name: str) -> bool:
        """Tell whether a file of this name in the folder would be one of the sequence's."""
        if self.is_single:
            return name == self.head
        match = self._named().fullmatch(name)
        return match is not None and self._canonical(match[1]) and (self.declared is None or int(match[1]) in self.declared)

    def _named(self) -> re.Pattern[str]:
        return re.compile(f"{re.escape(self.head)}(-?[0-9]+){re.escape(self.tail)}", re.DOTALL)

    def frames(self, *, allow_none: bool = False) -> tuple[int, ...]:
        """Return the frames on disk now, ascending, within the range that the pattern carries.

        Raises:
            SequenceError: no file matches (unless `allow_none`), one frame is there under two names, or the folder cannot be listed.
        """
        if self.is_single:
            frames: tuple[int, ...] = (self.number or 0,) if os.path.isfile(self.folder / self.head) else ()
        else:
            frames = self._scan()
        if not frames and not allow_none:
            raise self._nothing()
        return frames

    def _scan(self) -> tuple[int, ...]:
        """List the folder once and keep the names of this pattern."""
        named = self._named()
        texts: dict[int, str] = {}
        doubled: list[tuple[str, str]] = []
        for name in _listing(self.folder):
            if match := named.fullmatch(name):
                frame = int(match[1])
                if frame in texts:
                    doubled.append((f"{self.head}{texts[frame]}{self.tail}", name))
                if frame not in texts or self._canonical(match[1]):
                    texts[frame] = match[1]
        for pair in doubled:
            message = f"{self.pattern}: two files claim one frame: {' and '.join(sorted(pair))}"
            raise SequenceError(message, remedy="Move one of the two away.", file=self.pattern)
        wanted = None if self.declared is None else set(self.declared)
        return tuple(sorted(f for f, text in texts.items() if self._canonical(text) and (wanted is None or f in wanted)))

    def _canonical(self, digits: str) -> bool:
        number = int(digits)
        return digits == str(number).zfill(self.padding) or (number < 0 and digits == f"-{str(-number).zfill(self.padding)}")

    def missing(self, frames: Iterable[int]) -> tuple[int, ...]:
        """Return those of `frames` that are not on disk now, ascending."""
        present = set(self.frames(allow_none=True))
        return tuple(sorted(set(frames) - present))

    def _nothing(self) -> SequenceError:
        within = "" if self.declared is None else f" within {format_range(self.declared)}"
        said = f"{self.pattern} does not exist" if self.is_single else f"no file matches {self.pattern}{within}"
        remedy = "Check the name and the number of digits of the pattern."
        return SequenceError(f"{said}{_held_by(self.folder)}", remedy=remedy, file=self.pattern)


def _unquoted(text: str) -> str:
    """Drop spaces and one pair of quotes around a pasted path."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _listing(folder: Path) -> list[str]:
    """Return the names in a folder; a folder that is not there holds none."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SequenceError(
            f"the folder {folder} cannot be listed: {error.strerror}", remedy="Check the path and its permissions.", file=str(folder)
        ) from error


def _held_by(folder: Path) -> str:
    """Say what sequences a folder holds, as the end of a sentence."""
    if not os.path.isdir(folder):
        return f"; the folder {folder} does not exist"
    names = [n for n in _listing(folder) if not n.startswith(".") and Path(n).suffix.lower() not in SIDECARS]
    found = fileseq.findSequencesInList(sorted(names), pad_style=fileseq.PAD_STYLE_HASH1)
    shown = sorted((_described(s) for s in found), key=len)[:4]
    if not shown:
        return "; the folder holds no images"
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    return f"; the folder holds {', '.join(shown)}{more}"


def _described(found: fileseq.FileSequence) -> str:
    frames = found.frameRange()
    return f"{found.basename()}{found.padding()}{found.extension()}" + (f" {frames}" if frames else "")
