"""The Blender add-on as an extension: its folder with the client and the wheels, zipped, and installed by Blender itself.

The rules: wheels go in unmodified and are listed in the manifest; the same files are the same zip, byte for byte.
"""

from __future__ import annotations

import platform as machine
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from bridge.wire.errors import ResourceError

from .places import shipped, unwritten, wire

NAME = "videomatte"
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")
REPOSITORY = "user_default"
PYTHONS = (("3.11", ("pyzmq", "msgpack")), ("3.13", ("pyzmq", "msgpack")), ("3.14", ("msgpack",)))
"""Pythons of Blender 4.2 to 5.0, of 5.1 and 5.2, and of builds of distributions; the pyzmq for 3.13 serves all after it."""
PLATFORMS = MappingProxyType(
    {
        "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_26_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64"),
        "windows-x64": ("win_amd64",),
        "macos-arm64": ("macosx_11_0_arm64", "macosx_10_15_universal2"),
        "macos-x64": ("macosx_10_15_universal2", "macosx_10_15_x86_64", "macosx_10_13_x86_64", "macosx_10_9_x86_64"),
    }
)
"""Blender's names of platforms, and pip's of what runs there."""


def assemble(folder: Path) -> Path:
    """Make the extension's folder, without wheels: the add-on and a copy of the client. Raises StorageError."""
    try:
        shutil.copytree(shipped("host_plugins/blender/videomatte"), folder, ignore=SKIPPED)
        shutil.copytree(wire(), folder / "wire", ignore=SKIPPED)
    except OSError as error:
        raise unwritten(error, folder, remedy="Free some space, or set TMPDIR to another folder.") from error
    return folder


def build(out: Path, *, platforms: Sequence[str], wheels: Path | None = None) -> Path:
    """Build `videomatte-VERSION.zip` in a folder and return it.

    platforms: Blender's names of them; wheels: the folder they are taken from, without a network. Raises StorageError, ResourceError.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = assemble(Path(scratch) / NAME)
        for platform in platforms:
            for python, packages in PYTHONS:
                _download(packages, python=python, platform=platform, into=folder / "wheels", wheels=wheels)
        manifest = folder / "blender_manifest.toml"
        listed = sorted(path.name for path in (folder / "wheels").glob("*.whl"))
        text = with_lists(manifest.read_text(encoding="utf-8"), platforms=platforms, wheels=listed)
        manifest.write_text(text, encoding="utf-8")
        return _zipped(folder, out / f"{NAME}-{_version(text)}.zip")


def with_lists(manifest: str, *, platforms: Sequence[str], wheels: Sequence[str]) -> str:
    """Return a manifest that names its platforms and wheels."""
    lists = {"platforms": platforms, "wheels": [f"./wheels/{name}" for name in wheels]}
    text = "".join(f"{name} = [\n" + "".join(f'  "{value}",\n' for value in values) + "]\n" for name, values in lists.items())
    return manifest.replace("\n[permissions]", f"{text}\n[permissions]", 1)


def install(archive: Path, *, blender: Path) -> None:
    """Have a Blender install a zip and turn the add-on on. Raises ResourceError with what Blender said."""
    command = [str(blender), "--command", "extension", "install-file", "-r", REPOSITORY, "-e", str(archive)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise ResourceError(f"{blender} cannot be started: {error.strerror}.", remedy="Give Blender's program: --blender EXE.") from error
    if ran.returncode:
        said = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
        reason = said[-1] if said else "it said nothing"
        raise ResourceError(f"{blender} did not install {archive}: {reason}", remedy="Blender 4.2 or newer is needed.", file=str(archive))


def this_platform() -> str:
    """Return Blender's name of the platform that this is."""
    if sys.platform == "win32":
        return "windows-x64"
    if sys.platform == "darwin":
        return "macos-arm64" if machine.machine() == "arm64" else "macos-x64"
    return "linux-x64"


def _download(packages: Sequence[str], *, python: str, platform: str, into: Path, wheels: Path | None) -> None:
    source = ["--no-index", "--find-links", str(wheels)] if wheels else []
    tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    abi = f"cp{python.replace('.', '')}"
    what = ["--python-version", python, "--implementation", "cp", "--abi", abi, "--abi", "abi3", *tags]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    ran = subprocess.run(
        [sys.executable, "-m", "pip", "download", *quiet, "--dest", str(into), *what, *source, *packages], capture_output=True, text=True
    )
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "it said nothing")
        raise ResourceError(
            f"pip cannot get {' and '.join(packages)} for Python {python} on {platform}: {reason}",
            remedy="Fetch the wheels where there is a network (pip download), and give their folder: --offline WHEELS.",
        )


def _version(manifest: str) -> str:
    found = re.search(r'(?m)^version = "([^"]+)"', manifest)
    assert found is not None
    return found.group(1)


def _zipped(folder: Path, archive: Path) -> Path:
    """Zip a folder; the same files are the same bytes. Raises StorageError."""
    unfinished = archive.with_name(f".{archive.name}")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                file.writestr(entry, path.read_bytes())
        unfinished.replace(archive)
    except OSError as error:
        raise unwritten(error, archive, remedy="Free some space, or give another --out.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return archive
