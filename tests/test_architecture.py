"""The layers of the design, proved from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BRIDGE = ROOT / "bridge"

# Third-party packages with one door each: who may import them (prefixes of paths below bridge/).
DOORS = {
    "torch": ("models", "solve", "training", "evaluation", "daemon/worker"),
    "zmq": ("wire", "daemon"),
    "msgpack": ("wire", "daemon"),
    "OpenImageIO": ("exr",),
    "cv2": ("imaging", "training"),
    "fileseq": ("sequence",),
    "safetensors": ("solve", "training"),
    "rich": ("cli", "watch", "report"),
    "nuke": (),
    "bpy": (),
}

# What each part of bridge may import from bridge: from the bottom of the page to the top.
MAY_USE = {
    "wire": set(),
    "window": set(),
    "version": set(),
    "shipped": {"wire"},
    "failures": {"wire", "version"},
    "sequence": {"wire"},
    "exr": {"wire", "window", "version"},
    "imaging": {"wire", "window"},
    "models": {"wire"},
    "shot": {"wire", "shipped", "window", "version", "sequence", "exr", "imaging"},
    "solve": {"wire", "shipped", "failures", "window", "version", "sequence", "exr", "imaging", "models", "shot"},
    "daemon": {"wire", "shipped", "failures", "window", "version", "sequence", "exr", "imaging", "shot", "solve"},
    "launch": {"wire", "failures"},
    "watch": {"wire", "sequence", "exr", "imaging", "shot", "launch", "version"},
    "report": {"wire", "sequence", "exr", "imaging", "shot", "version"},
    "farm": {"wire", "sequence", "exr", "shot", "version"},
    "install": {"wire"},
    "training": {"models", "imaging", "version"},
    "evaluation": {"wire", "shipped", "shot", "window", "version", "sequence", "exr", "imaging", "models", "solve", "training"},
    "cli": {
        "shipped",
        "failures",
        "wire",
        "window",
        "version",
        "sequence",
        "exr",
        "imaging",
        "models",
        "solve",
        "shot",
        "watch",
        "report",
        "farm",
        "launch",
        "install",
    },
}
TRAINING_THIRD_PARTY = {"torch", "numpy", "cv2", "safetensors"}
OF_THE_SOURCES = sorted(BRIDGE.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported module, relative ones made absolute, with its line."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            yield module, node.lineno
            if module in ("bridge", ".".join(package)):
                yield from ((f"{module}.{name.name}", node.lineno) for name in node.names)


def part(path: Path) -> str:
    return path.relative_to(BRIDGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", OF_THE_SOURCES, ids=name)
def test_third_party_packages_come_in_by_their_own_door(path: Path) -> None:
    where = path.relative_to(BRIDGE).as_posix()
    for module, line in imports(path):
        doors = DOORS.get(module.split(".")[0])
        if doors is not None:
            assert any(where == f"{d}.py" or where.startswith((f"{d}/", f"{d}.py")) for d in doors), f"{where}:{line} imports {module}"


@pytest.mark.parametrize("path", OF_THE_SOURCES, ids=name)
def test_layers_only_look_down(path: Path) -> None:
    here = part(path)
    if here == "__init__":
        return
    assert here in MAY_USE, f"{name(path)}: say in MAY_USE what the new part may import"
    for module, line in imports(path):
        names = module.split(".")
        if names[0] == "bridge" and len(names) > 1 and names[1] != here:
            assert names[1] in MAY_USE[here], f"{name(path)}:{line} imports {module}"


@pytest.mark.parametrize("path", [p for p in OF_THE_SOURCES if part(p) == "wire"], ids=name)
def test_wire_is_relocatable(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    for module, line in imports(path):
        top = module.split(".")[0]
        absolute_bridge = top == "bridge" and not module.startswith("bridge.wire")
        assert not absolute_bridge, f"{name(path)}:{line}"
        assert top in sys.stdlib_module_names | {"zmq", "msgpack", "bridge"}, f"{name(path)}:{line} imports {module}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bridge"):
            pytest.fail(f"{name(path)}:{node.lineno}: wire imports itself relatively, or it cannot be moved")


@pytest.mark.parametrize("path", [p for p in OF_THE_SOURCES if part(p) == "training"], ids=name)
def test_training_needs_four_packages(path: Path) -> None:
    for module, line in imports(path):
        top = module.split(".")[0]
        assert top in sys.stdlib_module_names | TRAINING_THIRD_PARTY | {"bridge"}, f"{name(path)}:{line} imports {module}"


@pytest.mark.parametrize("path", [p for p in OF_THE_SOURCES if part(p) == "models"], ids=name)
def test_models_open_no_socket(path: Path) -> None:
    for module, line in imports(path):
        assert module.split(".")[0] not in {"socket", "subprocess", "threading", "zmq"}, f"{name(path)}:{line} imports {module}"


def test_nothing_imports_the_command_line() -> None:
    users = [name(p) for p in OF_THE_SOURCES if part(p) != "cli" and any(m.startswith("bridge.cli") for m, _ in imports(p))]
    assert users == []


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, bridge.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_the_root_holds_only_what_the_design_names() -> None:
    kept = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "bridge", "host_plugins", "nuke_gizmo", "tests", "docs"}
    made = {"out", "build", "dist"}
    extra = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and not p.name.endswith(".egg-info")} - kept - made
    assert extra == set()


@pytest.mark.parametrize("path", OF_THE_SOURCES, ids=name)
def test_files_stay_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
