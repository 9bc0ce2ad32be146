"""The gizmo file: what Tcl reads in it, its graph, its knobs, its buttons."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import gizmo
import pytest
from host_classes import CLASSES, GENERIC, READ

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "nuke_gizmo" / "VideoMatte.gizmo"
TAB, BUTTON, TEXT, LINK = 20, 22, 26, 41
PRESSED = {
    *("solve", "preview_frame", "cancel", "ask_status", "range_from_source", "add_key", "remove_key", "next_key"),
    *("lock", "unlock", "open_folder", "give_back", "update_node"),
}

pytestmark = pytest.mark.skipif(not gizmo.TCL, reason="there is no Tcl")


@pytest.fixture(scope="module")
def script() -> gizmo.Script:
    return gizmo.read(FILE)


def test_tcl_reads_the_file_without_an_error(script: gizmo.Script) -> None:
    assert script.errors == []
    assert [str(node["cls"]) for node in script.nodes[:2]] == ["Group", "Input"]


def test_the_graph_is_as_drawn(script: gizmo.Script) -> None:
    assert script.graph() == {
        "VideoMatte": (),
        "Source": (),
        "Trimap": (),
        "Garbage": (),
        "Holdout": (),
        "ReadMatte": (),
        "ReadPreview": (),
        "ReadForeground": (),
        "MatteOrPreview": ("ReadMatte", "ReadPreview"),
        "MatteIntoForeground": ("ReadForeground", "MatteOrPreview"),
        "MatteIntoSource": ("Source", "MatteOrPreview"),
        "Chosen": ("MatteIntoSource", "MatteOrPreview", "MatteIntoForeground", "Source"),
        "PremultiplyColour": ("Chosen",),
        "Output1": ("PremultiplyColour",),
    }


def test_inputs_are_numbered_source_trimap_garbage_holdout(script: gizmo.Script) -> None:
    numbers = {name: 0 for name, cls, _, _ in script.knobs if cls == "Input"}
    numbers.update({name: int(value) for name, cls, knob, value in script.knobs if cls == "Input" and knob == "number"})
    assert numbers == {"Source": 0, "Trimap": 1, "Garbage": 2, "Holdout": 3}


def test_every_knob_that_is_set_exists_and_takes_its_value(script: gizmo.Script) -> None:
    own = {user.name for user in script.user_knobs}
    for name, cls, knob, value in script.knobs:
        if knob == "inputs" or (name == "VideoMatte" and knob in own):
            continue
        known = {**GENERIC, **CLASSES[cls]}
        assert knob in known, f"{cls} {name} has no knob {knob}"
        if len(known[knob]) == 3:
            assert value in known[knob][2], f"{name}.{knob} {value}"


def test_the_reads_never_hide_a_missing_frame_or_convert_colour(script: gizmo.Script) -> None:
    for read in ("ReadMatte", "ReadPreview", "ReadForeground"):
        said = {knob: value for name, _, knob, value in script.knobs if name == read}
        assert {knob: said[knob] for knob in ("on_error", "raw", "localizationPolicy", "file")} == {
            "on_error": "error",
            "raw": "true",
            "localizationPolicy": "off",
            "file": "",
        }
        assert "colorspace" not in said
    assert set(READ["on_error"][2]) >= {"error", "black"}


def test_nothing_runs_by_itself_and_nothing_is_written_by_the_group(script: gizmo.Script) -> None:
    assert {knob for _, knob, _ in script.python} == PRESSED
    assert [node for node in script.nodes if node["cls"] == "Write"] == []
    assert "add_layer" not in FILE.read_text(encoding="utf-8")
    for _, _, knob, value in script.knobs:
        assert not re.match(r"(/|\\\\|[A-Za-z]:[/\\])", value), (knob, value)


def test_every_knob_says_what_it_is(script: gizmo.Script) -> None:
    names = [user.name for user in script.user_knobs]
    assert len(names) == len(set(names))
    silent = [u.name for u in script.user_knobs if u.kind not in (TAB, TEXT) and "+INVISIBLE" not in u.flags and not u.options.get("t")]
    assert silent == []
    assert [u.options["l"] for u in script.user_knobs if u.kind == TAB] == ["Matte", "Advanced", "Info"]
    (status,) = [u for u in script.user_knobs if u.name == "status"]
    assert "+DO_NOT_WRITE" in status.flags


def test_links_lead_to_knobs_of_inner_nodes(script: gizmo.Script) -> None:
    classes = {str(node["name"]): str(node["cls"]) for node in script.nodes}
    for user in script.user_knobs:
        if user.kind == LINK:
            node, knob = user.options["T"].split(".")
            assert knob in CLASSES[classes[node]], user


def test_the_folder_follows_the_script(script: gizmo.Script) -> None:
    (folder,) = [value for name, _, knob, value in script.knobs if (name, knob) == ("VideoMatte", "folder")]
    assert folder == "[file dirname [value root.name]]/videomatte/[value vm_shot].vmatte"


@pytest.mark.parametrize(
    ("output", "solved", "preview", "premultiply", "input_", "off"),
    [
        (0, 0, 0, 1, 3, 1),
        (1, 0, 0, 0, 3, 1),
        (0, 1, 0, 0, 0, 1),
        (0, 1, 0, 1, 0, 0),
        (1, 1, 0, 1, 1, 1),
        (2, 1, 0, 1, 2, 0),
        (3, 1, 0, 1, 3, 1),
        (0, 0, 1, 0, 0, 1),
    ],
)
def test_source_passes_through_until_there_is_a_matte(
    output: int, solved: int, preview: int, premultiply: int, input_: int, off: int, script: gizmo.Script, tmp_path: Path
) -> None:
    values = {"output": output, "vm_solved": solved, "show_preview": preview, "premultiply": premultiply}
    assert evaluated(script, "Chosen", "which", values, tmp_path) == input_
    assert evaluated(script, "PremultiplyColour", "disable", values, tmp_path) == off
    assert evaluated(script, "MatteOrPreview", "which", values, tmp_path) == preview


def evaluated(script: gizmo.Script, node: str, knob: str, values: dict[str, int], folder: Path) -> int:
    (text,) = [value for name, _, k, value in script.knobs if (name, k) == (node, knob)]
    for name, value in values.items():
        text = text.replace(f"parent.{name}", str(value))
    assert "parent" not in text
    program = folder / "expression.tcl"
    program.write_text("puts [expr {" + text.strip('{}"') + "}]\n", encoding="utf-8")
    return int(subprocess.run([*gizmo.TCL, str(program)], capture_output=True, text=True, check=True).stdout)


def test_every_button_is_the_same_guarded_import_and_one_call(script: gizmo.Script) -> None:
    for _, knob, code in script.python:
        ast.parse(code, feature_version=(3, 9))
        assert '"' not in code
        assert code.count(f"videomatte_nuke.press('{knob}')") == 1
        assert len(code.splitlines()) == 6


@pytest.mark.parametrize("knob", sorted(PRESSED))
def test_a_button_without_the_plug_in_says_so_once(knob: str, script: gizmo.Script, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [code for _, name, code in script.python if name == knob]
    told: list[str] = []

    class Bare:
        GUI = True
        message = staticmethod(told.append)

    monkeypatch.setitem(__import__("sys").modules, "videomatte_nuke", None)
    exec(compile(code, knob, "exec"), {"nuke": Bare})
    (said,) = told
    assert "videomatte install nuke" in said


def test_every_button_has_an_action(nuke: Any) -> None:
    from videomatte_nuke.buttons import ACTIONS

    assert set(ACTIONS) == PRESSED


def test_a_broken_file_is_noticed(script: gizmo.Script, tmp_path: Path) -> None:
    """The reader itself has teeth: lines left out are an error or another graph."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    kinds = {
        "}": lambda line: line.strip() == "}",
        "end_group": lambda line: line.strip() == "end_group",
        "set": lambda line: line.startswith("set N"),
        "push": lambda line: line.startswith("push $"),
        "opening": lambda line: line.startswith(" ") and line.endswith(" {"),
    }
    unnoticed = []
    for name, is_one in kinds.items():
        number = next(i for i, line in enumerate(lines) if is_one(line))
        broken = tmp_path / "broken.gizmo"
        broken.write_text("\n".join(lines[:number] + lines[number + 1 :]), encoding="utf-8")
        found = gizmo.read(broken)
        if not found.errors and found.graph() == script.graph():
            unnoticed.append(name)
    assert unnoticed == []
