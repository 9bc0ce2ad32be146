"""mypy over the installed plug-in with types-nuke: misspelt functions of Nuke, wrong keywords, what may be None."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nuke_artist import stubs

SETTINGS = "[mypy]\npython_version = 3.10\nstrict = true\nallow_untyped_calls = true\n[mypy-msgpack.*]\nignore_missing_imports = true\n"


def found(plugin: Path, tmp_path: Path) -> list[str]:
    """Return what mypy says about the plug-in; what it says about the stubs themselves is theirs."""
    (tmp_path / "stubs").mkdir()
    (tmp_path / "stubs" / "nuke").symlink_to(stubs())
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")]
    environment = {**os.environ, "MYPYPATH": str(tmp_path / "stubs")}
    kind = {"cwd": plugin, "env": environment, "capture_output": True, "text": True, "timeout": 300}
    ran = subprocess.run([*command, "-p", "videomatte_nuke"], **kind)  # type: ignore[call-overload]
    assert "checked" in ran.stdout, ran.stdout + ran.stderr
    return [line for line in ran.stdout.splitlines() if line.startswith("videomatte_nuke")]


@pytest.mark.slow
def test_mypy_finds_nothing_in_the_plug_in(plugin: Path, tmp_path: Path) -> None:
    assert found(plugin, tmp_path) == []


@pytest.mark.slow
def test_mypy_finds_what_is_wrong(plugin: Path, tmp_path: Path) -> None:
    shutil.copytree(plugin, tmp_path / "copy")
    wrong = "import nuke\n\nnuke.exeucte()\nnuke.toNode('a').name()\nnuke.createNode('Read', panel=False)\n"
    (tmp_path / "copy" / "videomatte_nuke" / "wrong.py").write_text(wrong)
    said = found(tmp_path / "copy", tmp_path)
    assert sorted(int(line.split(":")[1]) for line in said if ": error:" in line) == [3, 4, 5]
