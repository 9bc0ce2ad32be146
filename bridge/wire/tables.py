"""The tables of docs/protocol.md, made from the code.

python -m bridge.wire.tables docs/protocol.md      writes the tables into the page
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, Iterable, List, Mapping, Tuple, Type, get_args

from . import limits, pixels, values
from .connection import Connection
from .conversation import JOB, PLAIN
from .description import Description
from .errors import every_error
from .limits import Limits
from .messages import Job, Message, Request, ends_of, message_types, type_name
from .pixels import FilePixels, InlinePixels, SharedPixels
from .values import DeviceState, FrameRun, JobFiles, JobState, ModelState

RECORDS = (FilePixels, InlinePixels, SharedPixels, Description, FrameRun, JobState, JobFiles, DeviceState, ModelState, Limits)
NUMBERS = ("Frame", "Coordinate", "Count", "Side", "Part", "Offset")
CHOICES: Mapping[str, Any] = MappingProxyType(
    {
        name: getattr(module, name)
        for module, names in ((pixels, ("Dtype", "Rows")), (values, ("FrameState", "FrameFlag", "Stage")))
        for name in names
    }
)
LIMITS = (
    ("bytes of a header (frame 1)", limits.HEADER_BYTES),
    ("depth of lists and maps in a header", limits.DEPTH),
    ("values in all lists and maps of a header; a pair counts twice", limits.ELEMENTS),
    ("bytes of a text, as UTF-8", limits.TEXT_BYTES),
    ("parts beside a header", limits.PARTS),
    ("bytes of a part, and of a picture in shared memory", limits.PART_BYTES),
    ("bytes of a file in shared memory", limits.SHARED_BYTES),
    ("pixels along a side of a picture", limits.SIDE),
    ("channels of a picture", limits.CHANNELS),
    ("requests open at once in one conversation", limits.OPEN_REQUESTS),
    ("largest request id", limits.NUMBER),
)
PLAIN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "str": "text",
        "bool": "true or false",
        "float": "number",
        "int": "whole number",
        "Box": "[Coordinate, Coordinate, Coordinate, Coordinate]",
    }
)


def page_with_tables(page: str) -> str:
    """Return a page with every table between its two marks made anew. Raises KeyError for a mark without a table."""
    made = tables()

    def fresh(found: re.Match[str]) -> str:
        name = found.group(1)
        return f"<!-- {name} -->\n{made[name]}\n<!-- end of {name} -->"

    return re.sub(r"<!-- ([a-z]+) -->\n.*?<!-- end of \1 -->", fresh, page, flags=re.DOTALL)


def tables() -> Dict[str, str]:
    """Return every table by its name."""
    classes = message_types().values()
    asked = sorted((cls for cls in classes if issubclass(cls, Request)), key=_place)
    told = sorted((cls for cls in classes if not issubclass(cls, Request)), key=_place)
    return {
        "requests": _table(("type", "what it asks", "body", "ends with"), map(_request, asked)),
        "replies": _table(("type", "what it says", "body"), ((f"`{type_name(cls)}`", _meaning(cls), _body(cls)) for cls in told)),
        "records": _table(("record", "what it is", "fields"), ((_record_name(cls), _meaning(cls), _body(cls)) for cls in RECORDS)),
        "kinds": _table(("kind", "values"), _kinds()),
        "conversation": _table(("request", "where it is", "what comes", "where it is then"), _steps()),
        "errors": _table(("code", "what it means", "exit status of the command"), _errors()),
        "limits": _table(("what", "most"), ((words, f"{number:,}") for words, number in LIMITS)),
        "connection": _table(("field", "kind"), _fields(Connection)),
    }


def words(annotation: str) -> str:
    """Return a type as people say it: `Optional[Tuple[Frame, ...]]` is "list of Frame, or nil"."""
    return _words(ast.parse(annotation, mode="eval").body)


def _words(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return PLAIN_WORDS.get(node.id, node.id)
    assert isinstance(node, ast.Subscript)
    outer, inside = ast.unparse(node.value), node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if outer == "Optional":
        return f"{_words(inside[0])}, or nil"
    if outer == "Literal":
        return " or ".join(f"`{ast.literal_eval(word)}`" for word in inside)
    if ast.unparse(inside[-1]) == "...":
        return f"list of {_words(inside[0])}"
    return f"[{', '.join(_words(item) for item in inside)}]"


def _table(head: Tuple[str, ...], rows: Iterable[Tuple[str, ...]]) -> str:
    lines: List[Tuple[str, ...]] = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _place(cls: Type[Message]) -> int:
    return inspect.getsourcelines(cls)[1]


def _meaning(cls: Type[Any]) -> str:
    return " ".join((inspect.getdoc(cls) or "").split())


def _fields(cls: Type[Any]) -> Iterable[Tuple[str, str]]:
    for field in fields(cls):
        default = "" if field.default is MISSING else f" = {_literal(field.default)}"
        yield f"`{field.name}`", words(str(field.type)) + default


def _body(cls: Type[Any]) -> str:
    return "; ".join(f"{name} {kind}" for name, kind in _fields(cls)) or "empty"


def _literal(value: object) -> str:
    if isinstance(value, str) and value:
        return f"`{value}`"
    return "nil" if value is None else json.dumps(value)


def _record_name(cls: Type[Any]) -> str:
    kind = getattr(cls, "kind", None)
    return f"{cls.__name__}, `kind` `{kind}`" if kind else cls.__name__


def _request(cls: Type[Message]) -> Tuple[str, str, str, str]:
    ends = " or ".join(f"`{type_name(end)}`" for end in ends_of(cls))
    return f"`{type_name(cls)}`", _meaning(cls), _body(cls), f"job: {ends}" if issubclass(cls, Job) else ends


def _kinds() -> Iterable[Tuple[str, str]]:
    for name in NUMBERS:
        bounds = get_args(getattr(limits, name))[1]
        yield name, f"whole number from {bounds.least:,} to {bounds.most:,}"
    for name, choice in CHOICES.items():
        yield name, " or ".join(f"`{word}`" for word in get_args(choice))
    yield "Pixels", "one of FilePixels, InlinePixels, SharedPixels, told apart by `kind`"
    yield "text", "UTF-8"
    yield "number", "finite; a whole number will do"


def _steps() -> Iterable[Tuple[str, str, str, str]]:
    for name, table in (("plain", PLAIN), ("job", JOB)):
        for (step, word), after in table.items():
            yield name, step.value, word.value, after.value


def _errors() -> Iterable[Tuple[str, str, str]]:
    seen = set()
    for cls in every_error():
        if cls.code not in seen:
            seen.add(cls.code)
            yield f"`{cls.code}`", (inspect.getdoc(cls) or "").split("\n")[0], str(cls.exit_status)


def main() -> None:
    """Write the tables into the page that the command line names."""
    page = Path(sys.argv[1])
    page.write_text(page_with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
