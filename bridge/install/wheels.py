"""pyzmq and msgpack for another Python than this one, fetched by pip into a folder of their own."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from bridge.wire.errors import ResourceError, UsageError

PACKAGES = ("pyzmq", "msgpack")
PYTHONS = ("3.9", "3.10", "3.11", "3.13")
OLD_LINUX = ("manylinux2014", "manylinux_2_17")
NEW_LINUX = ("manylinux_2_28", "manylinux_2_26", "manylinux_2_24", *OLD_LINUX)
RUNS_ON_OLD_LINUX = ("3.9", "3.10")
"""Pythons of hosts that still run where glibc is 2.17."""


def folder_name(python: str) -> str:
    """Return the name of the folder of wheels of a Python on this machine; the plug-in makes the same one up."""
    return f"cp{python.replace('.', '')}-{sys.platform}-{platform.machine().lower()}"


def fetch(python: str, *, into: Path, wheels: Path | None = None) -> None:
    """Put the packages for a Python into a folder; with `wheels` from that folder alone, without a network.

    Raises UsageError for a Python that no host brings, ResourceError with what pip said.
    """
    if python not in PYTHONS:
        raise UsageError(f"There is no plug-in for Python {python}.", remedy=f"Choose of: {', '.join(PYTHONS)}.")
    ran = subprocess.run(command(python, into=into, wheels=wheels), capture_output=True, text=True)
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "it said nothing")
        raise ResourceError(
            f"pip cannot get {' and '.join(PACKAGES)} for Python {python}: {reason}",
            remedy="Fetch the wheels where there is a network (pip download), and give their folder: --offline WHEELS.",
        )


def command(python: str, *, into: Path, wheels: Path | None = None) -> list[str]:
    """Return the pip command that gets the packages for a Python on a machine like this one."""
    abi = f"cp{python.replace('.', '')}"
    source = ["--no-index", "--find-links", str(wheels)] if wheels else []
    tags = [word for name in _platforms(python) for word in ("--platform", name)]
    what = ["--python-version", python, "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none", *tags]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--only-binary=:all:"]
    return [sys.executable, "-m", "pip", "install", *quiet, "--target", str(into), *what, *source, *PACKAGES]


def _platforms(python: str) -> tuple[str, ...]:
    machine = platform.machine()
    if sys.platform == "win32":
        return ("win_amd64",) if machine.lower() in ("amd64", "x86_64") else ("win_arm64",)
    if sys.platform == "darwin":
        kinds = ("arm64", "universal2") if machine == "arm64" else ("x86_64", "universal2")
        return tuple(f"macosx_{version}_{kind}" for version in ("14_0", "13_0", "12_0", "11_0", "10_15", "10_9") for kind in kinds)
    names = OLD_LINUX if python in RUNS_ON_OLD_LINUX else NEW_LINUX
    return tuple(f"{name}_{machine}" for name in names)
