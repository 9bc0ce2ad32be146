"""docs/nuke.md and its pictures are what docs/nuke_page.py makes of the gizmo; the plug-in keeps to its own door."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import gizmo
import pytest

from bridge.cli.arguments import parse

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "host_plugins" / "nuke"
OF_NUKE = {"nuke", "videomatte_nuke"}


@pytest.mark.skipif(not gizmo.TCL, reason="there is no Tcl")
def test_the_page_and_its_pictures_are_up_to_date() -> None:
    specification = importlib.util.spec_from_file_location("nuke_page", ROOT / "docs" / "nuke_page.py")
    assert specification is not None
    assert specification.loader is not None
    page = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(page)
    for path, text in page.written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: run python docs/nuke_page.py"


def test_every_option_of_the_installer_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["install", "nuke", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    page = (ROOT / "docs" / "nuke.md").read_text(encoding="utf-8")
    assert options == {"--nuke-dir", "--python", "--offline", "--uninstall"}
    assert [option for option in options if f"`{option}" not in page] == []


@pytest.mark.parametrize("path", sorted(PLUGIN.rglob("*.py")), ids=lambda path: path.name)
def test_the_plug_in_needs_nuke_its_client_and_the_standard_library(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        strangers = {name.split(".")[0] for name in names} - OF_NUKE - sys.stdlib_module_names
        assert strangers == set(), f"{path.name}:{getattr(node, 'lineno', 0)}"


def test_the_conversation_does_not_know_nuke() -> None:
    for name in ("conversation.py", "frames.py", "link.py", "complaints.py", "roto.py", "vendor.py"):
        assert not re.search(r"^\s*import nuke", (PLUGIN / "videomatte_nuke" / name).read_text(encoding="utf-8"), re.M), name


@pytest.mark.parametrize("path", sorted(PLUGIN.rglob("*.py")), ids=lambda path: path.name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
