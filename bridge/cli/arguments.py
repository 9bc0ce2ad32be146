"""What may be typed: one parser, to which each subcommand adds its own part."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bridge.sequence import Sequence, parse_range
from bridge.shot.request import base, output
from bridge.version import VERSION
from bridge.wire.errors import UsageError, VideoMatteError

__all__ = ["Parser", "Said", "base", "device", "folder", "frames", "joined", "number", "output", "parse", "pixels", "positive", "sequence"]

ENDS = (
    "`videomatte COMMAND --help` says more of each. Exit status: 0 done, 1 a fault of videomatte, 2 usage, 3 input, 4 resources, "
    "5 no daemon, 130 Ctrl-C, 143 asked to end."
)
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_NEGATIVE_RANGE = re.compile(r"-\d[\d,x-]*")


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises UsageError instead of ending the process. `needs` names what must be typed and was not."""

    needs: Callable[[argparse.Namespace], list[str]] | None = None

    def __init__(self, *words: Any, **more: Any) -> None:
        """As argparse's own, but an option is only what is written out in full."""
        super().__init__(*words, **{"allow_abbrev": False, **more})

    def add_device(self) -> None:
        """Add `--device`: what computes."""
        what = "what computes; auto: a graphics card where there is one"
        self.add_argument("--device", type=device, default="auto", metavar="auto|cpu|cuda[:N]", help=what)

    def add_json(self) -> None:
        """Add `--json`, for programs."""
        self.add_argument("--json", action="store_true", help="say everything as one JSON object a line")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Read what was typed; what is left over is returned. Raises UsageError."""
        found, left = super().parse_known_args(args, namespace)
        if self.needs is not None and (lacking := self.needs(found)):
            self.error(f"the following arguments are required: {', '.join(lacking)}")
        return found, left

    def error(self, message: str) -> NoReturn:
        quotes = " Put patterns in quotes, so that the shell leaves them alone." if message.startswith("unrecognized") else ""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", remedy=f"`{self.prog} --help` shows what there is.{quotes}")


class Said(argparse.Action):
    """Keep a value, and that it was typed: `said` holds the names of such options."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, values)
        namespace.said = {*getattr(namespace, "said", ()), self.dest}


def parse(typed: list[str]) -> argparse.Namespace:
    """Read a command line; the result's `run` does it. Raises UsageError; SystemExit after --help and --version."""
    from . import (
        bench,
        demo,
        doctor,
        farm,
        install,
        jobs,
        keys,
        models,
        report,
        serve,
        shot,
        solve,
        status,
        stop,
        submit,
        task,
        trimap,
        watch,
    )

    about = "Soft, steady mattes from a trimap painted on one or a few frames."
    parser = Parser(prog="videomatte", description=about, epilog=ENDS)
    parser.add_argument("--version", action="version", version=f"videomatte {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for command in (
        solve,
        submit,
        watch,
        report,
        farm,
        task,
        shot,
        trimap,
        demo,
        serve,
        status,
        jobs,
        stop,
        keys,
        models,
        install,
        doctor,
        bench,
    ):
        command.add_to(commands)
    return parser.parse_args(joined(typed))


def joined(typed: list[str]) -> list[str]:
    """Join `--frames -5-5` to `--frames=-5-5`, which argparse would take for an option."""
    result: list[str] = []
    for word in typed:
        if result and result[-1] == "--frames" and _NEGATIVE_RANGE.fullmatch(word):
            result[-1] = f"--frames={word}"
        else:
            result.append(word)
    return result


def frames(text: str) -> tuple[int, ...]:
    """Read a frame range. Raises ArgumentTypeError, which argparse turns into a usage error."""
    try:
        return parse_range(text)
    except VideoMatteError as error:
        raise argparse.ArgumentTypeError(f"{error.message}. {error.remedy}".rstrip(". ")) from error


def sequence(text: str) -> Sequence:
    """Read a pattern or one file. Raises InputError."""
    return Sequence.parse(text)


def device(text: str) -> str:
    """Read the name of a device. Raises ArgumentTypeError."""
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, cuda and cuda:N")
    return text


def folder(text: str) -> str:
    """Read a folder that exists and return its whole path. Raises ArgumentTypeError."""
    found = Path(text).expanduser()
    if not found.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return str(found.resolve())


def pixels(text: str) -> float:
    """Read a width in pixels, 0 or more. Raises ArgumentTypeError."""
    return number(text, lambda width: 0 <= width < 1e6, what="a width in pixels, 0 or more")


def number(text: str, fits: Callable[[float], bool], *, what: str) -> float:
    """Read a number that fits. what: what it should be. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def positive(text: str) -> int:
    """Read a whole number above 0. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000000")
    return int(text)
