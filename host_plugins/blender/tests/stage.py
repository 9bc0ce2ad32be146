# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender that plays scenes: it reads one line of JSON for each and answers with one.

python stage.py PROFILE        the profile holds the add-on as an extension; started by tests/blender.py
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

ANSWER = "scene played: "


def main() -> None:
    """Play until standard input ends, then leave at once: some builds crash or hang while they end after a render."""
    os.environ["BLENDER_USER_RESOURCES"] = sys.argv[1]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import bpy
    import fault_scenes
    import key_scenes
    import plate_scenes
    import scenes

    _say({"version": list(bpy.app.version)})
    for line in sys.stdin:
        _say(_played([scenes, key_scenes, plate_scenes, fault_scenes], json.loads(line)))
    sys.stdout.flush()
    os._exit(0)


def _played(modules: list[Any], asked: dict[str, Any]) -> dict[str, Any]:
    try:
        modules[0].begin()
        name = asked.pop("scene")
        return {"result": next(getattr(module, name) for module in modules if hasattr(module, name))(**asked)}
    except Exception:
        return {"error": traceback.format_exc()}


def _say(what: dict[str, Any]) -> None:
    print("\n" + ANSWER + json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
