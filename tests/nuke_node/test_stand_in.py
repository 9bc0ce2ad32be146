"""The stand-in for Nuke refuses what Nuke refuses, and has no name or parameter that Nuke lacks."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gizmo
import host_classes
import host_pictures
import pytest
from nuke_artist import stubs

from bridge import exr

HOST = Path(gizmo.__file__).parent
FILES = ("nuke.py", "host_nodes.py", "host_knobs.py")
CURVES = "_curveknob.pyi"


def in_thread(work: Callable[[], Any]) -> BaseException | None:
    """Run work in a thread and return what it raised."""
    raised: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_a_name_that_nuke_lacks_is_refused(nuke: Any) -> None:
    node = nuke.createNode("VideoMatte")
    with pytest.raises(NameError, match="frist"):
        node["frist"]
    assert node.knob("frist") is None
    for wrong in (lambda: nuke.exeucte, lambda: nuke.nodes.Reed, lambda: node.fullname(), lambda: nuke.ProgressTask("x").setTitle("y")):
        with pytest.raises(AttributeError):
            wrong()
    with pytest.raises(TypeError):
        nuke.message("a", text="b")
    with pytest.raises(KeyError):
        nuke.env["studio"]


def test_a_value_of_the_wrong_kind_is_refused(nuke: Any) -> None:
    node = nuke.createNode("VideoMatte")
    for knob, value in (("first", "1001"), ("premultiply", 1), ("profile", "best"), ("key_frames", 1001), ("folder", "C:\\shots")):
        with pytest.raises((TypeError, AssertionError)):
            node[knob].setValue(value)
    with pytest.raises(TypeError):
        node["matte_file"].setValue("x")


def test_knobs_of_exr_exist_once_a_write_is_exr(nuke: Any) -> None:
    write = nuke.nodes.Write()
    with pytest.raises(NameError, match="datatype"):
        write["datatype"]
    write["file_type"].setValue("exr")
    assert write["datatype"].value() == "16 bit half"


def test_nodes_belong_to_the_main_thread(nuke: Any) -> None:
    node = nuke.createNode("VideoMatte")
    touches = (
        lambda: node["first"],
        lambda: node.input(0),
        lambda: nuke.toNode("VideoMatte1"),
        lambda: nuke.message("x"),
        lambda: nuke.delete(node),
        lambda: nuke.nodes.Write(),
        lambda: nuke.frame(),
        lambda: nuke.Undo.disable(),
    )
    for touch in touches:
        assert isinstance(in_thread(touch), AssertionError)
    with pytest.raises(RuntimeError):
        nuke.executeInMainThread(print)


def test_a_deleted_node_is_dead_with_everything_in_it(nuke: Any) -> None:
    node = nuke.createNode("VideoMatte")
    inner, knob = node.node("ReadMatte"), node["first"]
    nuke.delete(node)
    for touch in (node.fullName, inner.Class, knob.value):
        with pytest.raises(ValueError, match="not attached to a node"):
            touch()
    assert nuke.toNode("VideoMatte1.ReadMatte") is None


def test_a_terminal_has_no_dialogs_and_no_event_loop(terminal: Any) -> None:
    with pytest.raises(AssertionError, match="dialog in a terminal"):
        terminal.message("x")
    assert isinstance(in_thread(lambda: terminal.executeInMainThread(print)), AssertionError)


def test_a_render_names_one_view(nuke: Any, tmp_path: Path) -> None:
    write = nuke.nodes.Write()
    write["file_type"].setValue("exr")
    for views in ([], ["main", "left"], ["left"]):
        with pytest.raises(AssertionError, match="one view"):
            nuke.execute(write, nuke.FrameRanges(["1"]), views)


def test_its_files_are_exr_that_we_read(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    look = host_pictures.made(
        lambda c, x, y: x + 10 * y + 0.25 * "RGBA".index(c), display=(0, 0, 8, 4), data=(-2, -1, 9, 5), pixel_aspect=2
    )
    host_pictures.write_exr(str(path), look, "RGBA")
    header = exr.read_header(path)
    assert (header.data_window.x0, header.data_window.y1, header.display_window.size, header.pixel_aspect) == (-2, 5, (8, 4), 2.0)
    alpha = exr.read_channel(path, channel="A").values
    assert alpha.shape == (6, 11)
    assert (alpha[0, 0], alpha[5, 10]) == (-2 - 10 + 0.75, 8 + 40 + 0.75)


Functions = dict[str, list[ast.FunctionDef]]


def parsed(files: list[Path]) -> tuple[Functions, dict[str, tuple[list[str], Functions]]]:
    """Return the functions of modules, and their classes with bases and methods."""
    functions: Functions = {}
    classes: dict[str, tuple[list[str], Functions]] = {}
    for path in files:
        for item in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.FunctionDef):
                functions.setdefault(item.name, []).append(item)
            elif isinstance(item, ast.ClassDef):
                bases = [base.id for base in item.bases if isinstance(base, ast.Name)]
                methods: Functions = {}
                for inner in item.body:
                    if isinstance(inner, ast.FunctionDef):
                        methods.setdefault(inner.name, []).append(inner)
                classes[item.name] = (bases, methods)
    return functions, classes


def parameters(function: ast.FunctionDef) -> list[str]:
    return [arg.arg for arg in function.args.args if arg.arg not in ("self", "cls")]


def fits(ours: ast.FunctionDef, real: list[ast.FunctionDef]) -> bool:
    return any(other.args.vararg or parameters(other)[: len(parameters(ours))] == parameters(ours) for other in real)


def strangers(ours: list[Path], folder: Path) -> list[str]:
    """Return the public names of the stand-in that the stubs do not have, or have with other parameters."""
    names = ("_nuke.pyi", "callbacks.pyi", "executeInMain.pyi", "overrides.pyi", "utils.pyi", CURVES)
    real_functions, real_classes = parsed([folder / name for name in names])
    functions, classes = parsed(ours)
    found = [name for name, mine in functions.items() if name[0] != "_" and not fits(mine[0], real_functions.get(name, []))]
    for name, (_, methods) in classes.items():
        if name.startswith("_"):
            continue
        if name not in real_classes:
            found.append(name)
            continue
        for method, mine in methods.items():
            if not method.startswith("_") and not fits(mine[0], inherited(name, method, real_classes)):
                found.append(f"{name}.{method}")
    return found


def inherited(name: str, method: str, classes: dict[str, tuple[list[str], Functions]]) -> list[ast.FunctionDef]:
    bases, methods = classes[name]
    return methods.get(method) or [f for base in bases if base in classes for f in inherited(base, method, classes)]


def test_the_stubs_know_every_name_of_the_stand_in() -> None:
    functions_of_tests = {"here", "new", "from_gizmo"}
    found = strangers([HOST / name for name in FILES], stubs())
    assert set(found) - functions_of_tests == set()


def test_the_comparison_has_teeth(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "def executeInMainThread(call, arg=(), kwargs={}): ...\n"
        "def bogus_function(): ...\n"
        "class ProgressTask:\n    def setTitle(self, title): ...\n    def setProgress(self, percent): ...\n"
    )
    assert strangers([wrong], stubs()) == ["executeInMainThread", "bogus_function", "ProgressTask.setTitle"]


def test_every_class_of_the_gizmo_is_known() -> None:
    script = gizmo.read(HOST.parents[1] / "nuke_gizmo" / "VideoMatte.gizmo")
    assert {str(node["cls"]) for node in script.nodes} <= set(host_classes.CLASSES)
