"""What several tests share: small shots, and the command run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

LAUNCH = """
import pathlib, resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
limit, ready = int(sys.argv.pop(1)), pathlib.Path(sys.argv.pop(1))
from bridge.cli.main import main
ready.touch()
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main())
"""


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


Videomatte = Callable[..., Ran]


@pytest.fixture
def videomatte(capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Videomatte:
    """Run a command line in this process; no traceback may be seen."""
    from bridge.cli.main import main

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))

    def run(*typed: object) -> Ran:
        capfd.readouterr()
        status = main([str(word) for word in typed])
        ran = Ran(status, *capfd.readouterr())
        assert "Traceback" not in ran.said, ran.said
        return ran

    return run


def started(*typed: object, scratch: Path, most_bytes: int = 0) -> subprocess.Popen[str]:
    """Start a command line in a process of its own, deaf to no signal, with its own scratch folder and, if wanted, a limit on file sizes.

    Returns when Python is up and the command begins.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    ready = scratch.parent / "ready"
    ready.unlink(missing_ok=True)
    environment = {**os.environ, "TMPDIR": str(scratch), "XDG_STATE_HOME": str(scratch.parent / "state")}
    command = [sys.executable, "-c", LAUNCH, str(most_bytes), str(ready), *(str(word) for word in typed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    while process.poll() is None and not ready.exists():
        time.sleep(0.002)
    return process


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait for a started command; no traceback may be seen."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err, out + err
    return Ran(process.returncode, out, err)
