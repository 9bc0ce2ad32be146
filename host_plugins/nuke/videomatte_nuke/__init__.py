"""The Python behind the buttons of the VideoMatte node. A button calls `press`; before that nothing of it is loaded.

In Nuke this folder holds `wire` too, a copy of the client of the daemon; `videomatte install nuke` puts it there.
"""

from __future__ import annotations

from typing import Any


def press(button: str, node: Any = None) -> None:
    """Do what a button of a node says, by default of the one whose button is pressed.

    In batch an error is raised, under a window it is shown.
    """
    import nuke

    from . import vendor

    try:
        vendor.make_ready()
    except ImportError as error:
        if not nuke.GUI:
            raise
        nuke.message(str(error))
        return
    from . import buttons

    buttons.press(button, node if node is not None else nuke.thisNode())
