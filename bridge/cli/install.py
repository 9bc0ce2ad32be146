"""`videomatte install HOST`: put the plug-in of a host where it finds it, or take it away."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as read
from .console import Console
from .interruption import Stop


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand, and below it one for each host."""
    parser = commands.add_parser("install", help="install a plug-in", description=__doc__, allow_abbrev=False)
    hosts = parser.add_subparsers(title="hosts", metavar="HOST", required=True, parser_class=read.Parser)
    for host in (_add_nuke,):
        host(hosts)


def _add_nuke(hosts: argparse._SubParsersAction[read.Parser]) -> None:
    from bridge.install import nuke, wheels

    what = "copy the VideoMatte node and its Python into Nuke's settings, with pyzmq and msgpack for Nuke's own Python"
    parser = hosts.add_parser("nuke", help="the VideoMatte node", description=what, allow_abbrev=False)
    parser.set_defaults(run=_nuke)
    parser.add_argument("--nuke-dir", type=Path, default=nuke.settings_folder(), metavar="DIR", help="Nuke's settings (%(default)s)")
    several = f"Nuke 14 is 3.9, 15 is 3.10, 16 and 17 are 3.11; may be given again ({', '.join(nuke.DEFAULT_PYTHONS)})"
    parser.add_argument("--python", action="append", choices=wheels.PYTHONS, metavar="3.11", help=several)
    parser.add_argument("--offline", type=Path, metavar="WHEELS", help="take pyzmq and msgpack from this folder, without a network")
    parser.add_argument("--uninstall", action="store_true", help="take the plug-in and its line in init.py away again")


def _nuke(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Install or remove the Nuke plug-in. Raises VideoMatteError."""
    from bridge.install import nuke

    if typed.uninstall:
        gone = nuke.uninstall(typed.nuke_dir)
        console.say(f"Removed from {typed.nuke_dir}" if gone else f"There was nothing to remove in {typed.nuke_dir}")
        return
    console.say(f"This line goes into {typed.nuke_dir / 'init.py'}:\n  {nuke.line(typed.nuke_dir)}")
    pythons = tuple(typed.python or nuke.DEFAULT_PYTHONS)
    folder = nuke.install(typed.nuke_dir, pythons=pythons, wheels=typed.offline)
    console.say(f"Installed: {folder} (Python {', '.join(pythons)}). Start Nuke anew; the node is VideoMatte.")
