"""Solve VideoMatte nodes without a window: nuke -t solve_in_batch.py SCRIPT.nk [NODE ...]; without names, every one at the top level.

The script is saved afterwards, so that it plays the new mattes. The exit status is 0 when every node is solved, else 1.
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
    nuke.scriptOpen(arguments[0])
    import videomatte_nuke

    names = arguments[1:] or [node.name() for node in nuke.allNodes("Group") if node.knob("vm_uuid") is not None]
    failed = 0 if names else 1
    for name in names:
        node = nuke.toNode(name)
        try:
            if node is None:
                raise RuntimeError("there is no such node in %s" % arguments[0])
            videomatte_nuke.press("solve", node)
        except Exception as error:
            print("VideoMatte: %s: %s" % (name, error), file=sys.stderr)
            failed = 1
    nuke.scriptSave(arguments[0])
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
