"""The add-on as an extension: built, judged by Blender's own tool, and kept to the platform's rules."""

from __future__ import annotations

import ast
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from blender import ROOT, asked_for, python_of
from conftest import Videomatte

from bridge.install import blender as extension

ADDON = ROOT / "host_plugins" / "blender" / "videomatte"
SOURCES = sorted(ADDON.parent.rglob("*.py"))
OURS = sorted(ADDON.rglob("*.py"))
REFUSED = {"threading", "asyncio", "subprocess", "ensurepip", "pip", "urllib.request", "requests"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the zip with made-up wheels, so that no network is needed."""
    folder = tmp_path_factory.mktemp("zip")
    assembled = extension.assemble(folder / "videomatte")
    wheels = [f"pyzmq-27.3.0-{tag}-manylinux_2_26_x86_64.whl" for tag in ("cp311-cp311", "cp312-abi3")]
    (assembled / "wheels").mkdir()
    for name in wheels:
        with zipfile.ZipFile(assembled / "wheels" / name, "w") as wheel:
            wheel.writestr("zmq/__init__.py", "")
    manifest = assembled / "blender_manifest.toml"
    manifest.write_text(extension.with_lists(manifest.read_text(), platforms=("linux-x64",), wheels=wheels))
    return extension._zipped(assembled, folder / "videomatte.zip")


@pytest.mark.slow
def test_blenders_own_tool_accepts_the_zip(archive: Path) -> None:
    python = python_of(asked_for()[0])
    (tool,) = python.parent.parent.glob("lib/python3.*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    ran = subprocess.run([str(python), str(tool), "validate", str(archive)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "rror" not in ran.stdout


def _toml(text: str) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
    found: dict[str, Any] = tomllib.loads(text)
    return found


def test_the_zip_holds_the_client_and_lists_its_wheels(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
        manifest = _toml(file.read("blender_manifest.toml").decode())
    assert {"__init__.py", "LICENSE", "wire/client.py", "wire/messages.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("bridge")]
    assert {f"./{name}" for name in names if name.endswith(".whl")} == set(manifest["wheels"])
    assert manifest["platforms"] == ["linux-x64"]
    assert manifest["tags"] == ["Compositing", "Node"]
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    for text in (manifest["tagline"], *manifest["permissions"].values()):
        assert len(text) <= 64
        assert text[-1].isalnum()


@pytest.mark.slow
def test_videomatte_install_blender_builds_the_zip_with_real_wheels(videomatte: Videomatte, tmp_path: Path) -> None:
    ran = videomatte("install", "blender", "--out", tmp_path)
    if ran.status == 4:
        pytest.skip(f"the wheels cannot be had: {ran.err}")
    assert ran.status == 0
    (built,) = tmp_path.glob("videomatte-*.zip")
    with zipfile.ZipFile(built) as file:
        wheels = [name for name in file.namelist() if name.endswith(".whl")]
    for package, tag in (("pyzmq", "cp311"), ("pyzmq", "abi3"), ("msgpack", "cp311"), ("msgpack", "cp313"), ("msgpack", "cp314")):
        assert [name for name in wheels if name.startswith(f"wheels/{package}-") and tag in name], (package, tag)
    assert built.stat().st_size < 8_000_000


def test_a_blender_that_is_not_there_is_named(
    videomatte: Videomatte, archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extension, "build", lambda out, **_: archive)
    ran = videomatte("install", "blender", "--blender", tmp_path / "no-blender")
    assert ran.status == 4
    assert "no-blender cannot be started" in ran.said


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_file_says_its_licence_and_stays_short(path: Path) -> None:
    if "footage" in path.parts:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# SPDX-License-Identifier: GPL-3.0-or-later"
    assert len(lines) <= 400


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_the_addon_keeps_the_rules_of_the_platform(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        named += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not REFUSED & set(named), (path.name, named)
        assert not any(name.split(".")[0] == "bridge" for name in named)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec")
    assert not re.search(r"sys\.(path|modules)|bl_info|__file__", text)


def test_nothing_outside_imports_the_addon() -> None:
    for folder in ("bridge", "host_plugins/nuke"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "host_plugins.blender" not in path.read_text(encoding="utf-8")
