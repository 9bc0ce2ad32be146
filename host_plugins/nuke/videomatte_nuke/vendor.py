"""pyzmq and msgpack for the Python that runs, from the folder that `videomatte install nuke` filled; what Nuke brings itself wins."""

from __future__ import annotations

import os
import platform
import sys

NEEDED = ("zmq", "msgpack")


def name() -> str:
    """Return the name of the folder of wheels for this Python on this machine, such as `cp311-linux-x86_64`."""
    return "cp%d%d-%s-%s" % (*sys.version_info[:2], sys.platform, platform.machine().lower())


def folder() -> str:
    """Return the folder of wheels for this Python."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vendor", name())


def make_ready() -> None:
    """Let the wheels be found, after everything else. Raises ImportError that says what to type when they are not there."""
    place = folder()
    if os.path.isdir(place) and place not in sys.path:
        sys.path.append(place)
    for module in NEEDED:
        try:
            __import__(module)
        except ImportError as error:
            version = "%d.%d" % sys.version_info[:2]
            raise ImportError(
                "VideoMatte needs pyzmq and msgpack for Python %s in %s (%s).\nType: videomatte install nuke --python %s"
                % (version, place, error, version)
            ) from None
