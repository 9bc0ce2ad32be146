"""`videomatte install HOST`: put the plug-in of a host where it finds it, or take it away."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as read
from .console import Console
from .interruption import Stop


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand, and below it one for each host."""
    parser = commands.add_parser("install", help="install a plug-in", description=__doc__)
    hosts = parser.add_subparsers(title="hosts", metavar="HOST", required=True, parser_class=read.Parser)
    for host in (_add_nuke, _add_blender):
        host(hosts)


def _add_nuke(hosts: argparse._SubParsersAction[read.Parser]) -> None:
    from bridge.install import nuke, wheels

    what = "Copy the VideoMatte node and its Python into Nuke's settings, with pyzmq and msgpack for Nuke's own Python."
    parser = hosts.add_parser("nuke", help="the VideoMatte node", description=what)
    parser.set_defaults(run=_nuke)
    parser.add_argument("--nuke-dir", type=Path, default=nuke.settings_folder(), metavar="DIR", help="Nuke's settings (%(default)s)")
    several = f"Nuke 14 is 3.9, 15 is 3.10, 16 and 17 are 3.11; may be given again ({', '.join(nuke.DEFAULT_PYTHONS)})"
    parser.add_argument("--python", action="append", choices=wheels.PYTHONS, metavar="3.11", help=several)
    parser.add_argument("--offline", type=read.folder, metavar="WHEELS", help="take pyzmq and msgpack from this folder, without a network")
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
    folder = nuke.install(typed.nuke_dir, pythons=pythons, wheels=Path(typed.offline) if typed.offline else None)
    console.say(f"Installed: {folder} (Python {', '.join(pythons)}). Start Nuke anew; the node is VideoMatte.")


def _add_blender(hosts: argparse._SubParsersAction[read.Parser]) -> None:
    from bridge.install import blender

    what = "Build the compositor add-on as an extension, with pyzmq and msgpack for Blender's own Python, and let a Blender install it."
    parser = hosts.add_parser("blender", help="the compositor add-on", description=what)
    parser.set_defaults(run=_blender)
    parser.add_argument("--blender", type=Path, metavar="EXE", help="Blender 4.2 or newer, which installs the zip and turns the add-on on")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the zip is written (here)")
    several = f"what the zip is for; may be given again: {', '.join(blender.PLATFORMS)} (this one)"
    parser.add_argument("--platform", action="append", choices=tuple(blender.PLATFORMS), metavar="NAME", help=several)
    parser.add_argument("--offline", type=read.folder, metavar="WHEELS", help="take pyzmq and msgpack from this folder, without a network")


def _blender(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Build the extension and have it installed. Raises VideoMatteError."""
    from bridge.install import blender

    platforms = tuple(typed.platform or (blender.this_platform(),))
    archive = blender.build(typed.out, platforms=platforms, wheels=Path(typed.offline) if typed.offline else None)
    console.say(f"Built: {archive} ({', '.join(platforms)})")
    if typed.blender is None:
        console.say("In Blender: Preferences > Get Extensions > the arrow at the top right > Install from Disk.")
        return
    blender.install(archive, blender=typed.blender)
    console.say("Installed. The compositor's sidebar (N) has a VideoMatte tab now.")
