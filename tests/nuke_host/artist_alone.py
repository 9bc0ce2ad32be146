"""An artist's work on a Python of a host: the standard library, the stand-in and the installed plug-in, no other package.

Arguments: the plug-in's folder, the daemon's connection file, a folder for the script. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import runpy
import sys

import nuke
from host_pictures import made

FIRST, LAST = 1001, 1006


def look(name: str, frame: int, x: int, y: int) -> float:
    """Return a disc that moves: its trimap in every channel of the trimap, its colour in the plate."""
    away = ((x - 30 - 2 * (frame - FIRST)) ** 2 + (y - 32) ** 2) ** 0.5 - 18
    if name == "trimap":
        return 1.0 if away < -4 else 0.0 if away > 4 else 0.5
    inside = min(max(0.5 - away / 3, 0.0), 1.0)
    return inside * {"R": 0.9, "G": 0.4, "B": 0.1}[name] + (1 - inside) * (0.2 + 0.05 * ((x * 7 + y * 13) % 5))


def main(plugin: str, connection: str, folder: str) -> None:
    """Solve, add a key, solve again, without a window; then the same node with one, and Cancel without a job."""
    nuke._begin(folder + "/shot.nk", gui=False)
    nuke.STATE.startup = plugin
    nuke.pluginAddPath(".")
    runpy.run_path(plugin + "/init.py")
    node, roto, grade = nuke.createNode("VideoMatte"), nuke.nodes.Roto(), nuke.nodes.Grade()
    roto._picture = lambda frame, view: made(lambda _, x, y: look("trimap", frame, x, y), display=(0, 0, 96, 64))
    grade._picture = lambda frame, view: made(lambda c, x, y: look(c, frame, x, y), names="RGB", display=(0, 0, 96, 64))
    node.setInput(0, grade)
    node.setInput(1, roto)
    for name, value in (("first", FIRST), ("last", LAST), ("connection", connection)):
        node[name].setValue(value)
    node["solve"].execute()
    first = node.node("ReadMatte")["file"].value()
    node["key_frames"].setValue("1001,1004")
    node["solve"].execute()
    second = node.node("ReadMatte")["file"].value()
    nuke.STATE.gui = True
    node["cancel"].execute()
    told = {
        "python": list(sys.version_info[:2]),
        "first": os.path.basename(os.path.dirname(first)),
        "second": os.path.basename(os.path.dirname(second)),
        "said": nuke.STATE.printed[-1].split(": ", 2)[-1],
        "frames": sorted(name for name in os.listdir(os.path.dirname(second)) if name.endswith(".exr")),
        "messages": nuke.STATE.messages,
        "zmq": os.path.dirname(os.path.dirname(sys.modules["zmq"].__file__ or "")),
        "strangers": sorted({"bridge", "torch", "numpy", "cv2"} & set(sys.modules)),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
