"""`python -m bridge.daemon`: the process that `videomatte serve` becomes. It exits with the statuses of the command line."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from bridge.failures import explained
from bridge.version import VERSION
from bridge.wire import places
from bridge.wire.connection import Connection
from bridge.wire.errors import VideoMatteError

from . import logs
from .configuration import configured
from .serve import network_file, serve


def main(typed: list[str] | None = None) -> int:
    """Be the daemon and return an exit status; never raises."""
    parser = argparse.ArgumentParser(prog="videomatte-daemon", description=__doc__)
    parser.add_argument("--settings", type=json.loads, default={}, help="a JSON object: fields of Configuration")
    parser.add_argument("--quiet", action="store_true", help="log to the file alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    chosen = parser.parse_args(typed)
    try:
        return _serve(chosen.settings, quiet=chosen.quiet, as_json=chosen.json)
    except BaseException as error:
        known = explained(error)
        _fail(known, as_json=chosen.json)
        return known.exit_status


def _serve(settings: Mapping[str, Any], *, quiet: bool, as_json: bool) -> int:
    configuration = configured(settings)
    log = logs.begin(places.log_folder(), quiet=quiet)

    def up(connection: Connection, jobs: int) -> None:
        network = str(network_file()) if configuration.tcp else None
        logging.getLogger(__name__).info("clients connect to %s; %d jobs taken up again; log in %s", connection.control, jobs, log)
        if as_json:
            where = {"control": connection.control, "pixels": connection.pixels, "network": network}
            _event("serving", pid=connection.pid, version=VERSION, **where, jobs=jobs, log=str(log))

    status = serve(configuration, up=up)
    if as_json:
        _event("stopped")
    return status


def _fail(error: VideoMatteError, *, as_json: bool) -> None:
    """Say why the daemon ends, as the command line does."""
    facts = {"code": error.code, "message": error.message, "remedy": error.remedy, "file": error.file, "frame": error.frame}
    if as_json:
        _event("error", **facts, exit_status=error.exit_status)
    else:
        print(f"videomatte: error: {error.message}" + (f"\n  {error.remedy}" if error.remedy else ""), file=sys.stderr)


def _event(name: str, **facts: object) -> None:
    try:
        print(json.dumps({"event": name, **facts}, ensure_ascii=True), flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the reader went away


if __name__ == "__main__":
    sys.exit(main())
