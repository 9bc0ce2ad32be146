"""Read a .gizmo or .nk with Tcl into plain data: nodes, their graph, knobs, user knobs, Python bodies as Tcl unescapes them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

READER = Path(__file__).with_name("nkread.tcl")
IN_PYTHON = """
import sys, tkinter
tcl = tkinter.Tcl()
tcl.eval("set argv [list %s]" % " ".join("{%s}" % word for word in sys.argv[2:]))
tcl.eval(open(sys.argv[1], encoding="utf-8").read())
tcl.eval("flush stdout")
"""


def interpreter() -> list[str]:
    """Return the command that runs a Tcl program: tclsh, else the Tcl inside of Python; nothing where there is neither."""
    tclsh = shutil.which("tclsh")
    if tclsh:
        return [tclsh]
    return [sys.executable, "-c", IN_PYTHON] if importlib.util.find_spec("_tkinter") else []


TCL = interpreter()


@dataclass(frozen=True)
class UserKnob:
    """A knob that a group adds to itself: `kind` is Nuke's number, `options` are l, t, T, M, n, `flags` carry their sign."""

    node: str
    kind: int
    name: str
    options: dict[str, str]
    flags: frozenset[str]

    @property
    def choices(self) -> list[str]:
        """The items of an enumeration, read as the Tcl list they are."""
        return [choice for choice in tcl_list(self.options.get("M", "")) if choice]


@dataclass
class Script:
    """A file. Knobs are node, class, name, value; `python` are node, knob, code; `nodes` hold cls, name and inputs."""

    nodes: list[dict[str, object]] = field(default_factory=list)
    knobs: list[tuple[str, str, str, str]] = field(default_factory=list)
    user_knobs: list[UserKnob] = field(default_factory=list)
    python: list[tuple[str, str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def graph(self) -> dict[str, tuple[str, ...]]:
        """Return what every node is connected to."""
        return {str(node["name"]): tuple(node["inputs"]) for node in self.nodes}  # type: ignore[arg-type]


def read(path: Path) -> Script:
    """Read a file; what is wrong with it is in `errors`."""
    assert TCL, "Tcl is needed to read gizmos: tclsh, or a Python with tkinter"
    ran = subprocess.run([*TCL, str(READER), str(path)], capture_output=True, timeout=60)
    found = Script()
    if ran.returncode:
        found.errors.append(ran.stderr.decode("utf-8", "replace").strip())
    words: list[str] = []
    for record in ran.stdout.decode("utf-8", "replace").split("\x1e"):
        kind, _, rest = record.partition("\x1f")
        if kind != "F" and words:
            found.user_knobs.append(_user_knob(words))
            words = []
        if kind == "U":
            words = [rest.split("\x1f")[2]]
        elif kind == "F":
            words.append(rest)
        else:
            _take(found, kind, rest.split("\x1f"))
    return found


def _take(found: Script, kind: str, fields: list[str]) -> None:
    if kind == "N":
        found.nodes.append({"cls": fields[1], "name": fields[2], "inputs": fields[3].split(",") if fields[3] else []})
    elif kind == "K":
        found.knobs.append((fields[2], fields[1], fields[3], fields[4]))
    elif kind == "P":
        found.python.append((fields[2], fields[3], fields[4]))
    elif kind == "E":
        found.errors.append("\x1f".join(fields))


def _user_knob(words: list[str]) -> UserKnob:
    node, kind, name, *rest = words
    options: dict[str, str] = {}
    flags = set()
    while rest:
        word = rest.pop(0)
        if word[:1] in "+-" and word[1:].isupper():
            flags.add(word)
        else:
            options[word] = rest.pop(0)
    return UserKnob(node, int(kind), name, options, frozenset(flags))


def tcl_list(text: str) -> list[str]:
    """Split a Tcl list whose words are bare, quoted or in braces."""
    words, i = [], 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        close = {'"': '"', "{": "}"}.get(text[i])
        if close:
            end = text.index(close, i + 1)
            words.append(text[i + 1 : end])
        else:
            end = next((k for k in range(i, len(text)) if text[k].isspace()), len(text))
            words.append(text[i:end])
        i = end + 1
    return words
