"""Solve VideoMatte nodes without a window: nuke -t solve_in_batch.py SCRIPT.nk [NODE ...]; without names, every one at the top level.

When a node was solved the script is saved, so that it plays the new mattes. The exit status is 0 when every node is solved, else 1.
"""

from __future__ import annotations

import sys
from typing import List

import nuke


def main(arguments: List[str]) -> int:
    """Solve the nodes of a script and return the exit status."""
    if not arguments:
        print(__doc__)
        return 2
    try:
        nuke.scriptOpen(arguments[0])
    except RuntimeError as error:
        print("VideoMatte: %s cannot be opened: %s" % (arguments[0], error), file=sys.stderr)
        return 1
    import videomatte_nuke

    names = arguments[1:] or [node.name() for node in nuke.allNodes("Group") if node.knob("vm_uuid") is not None]
    solved = 0
    for name in names:
        node = nuke.toNode(name)
        try:
            if node is None:
                raise RuntimeError("there is no such node in %s" % arguments[0])
            videomatte_nuke.press("solve", node)
            solved += 1
        except Exception as error:
            print("VideoMatte: %s: %s" % (name, error), file=sys.stderr)
    if solved:
        nuke.scriptSave(arguments[0])
    return 0 if names and solved == len(names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
