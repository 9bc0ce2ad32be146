"""What every button of the node does, on the main thread."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import MappingProxyType
from typing import Any, Callable, Mapping, Set

import nuke

from . import conversation, frames, identity, settings, solve, update
from .complaints import NodeError, StoppedError
from .run import RUNNING, tell
from .wire.description import Description
from .wire.errors import VideoMatteError
from .wire.messages import DaemonRelease, ShotLock, ShotOpen, ShotState

LOG = logging.getLogger(__name__)
OF_NUKE = ("LD_LIBRARY_PATH", "QT_PLUGIN_PATH", "PYTHONHOME", "PYTHONPATH")
"""Variables that Nuke sets for itself and that break other programs."""


def press(button: str, node: Any) -> None:
    """Do what a button says. In batch an error is raised; under a window it is the node's status, and one message."""
    try:
        ACTIONS[button](node)
    except Exception as error:
        if not nuke.GUI:
            raise
        if not isinstance(error, VideoMatteError):
            LOG.exception("the button %s", button)
            error = VideoMatteError("The plug-in failed: %r" % error)
        if "status" in node.knobs():
            tell(node, error.message)
        if not isinstance(error, StoppedError):
            nuke.message("VideoMatte: %s" % error)


def cancel(node: Any) -> None:
    """Cancel the node's job."""
    run = RUNNING.get(node["vm_uuid"].value())
    if run is None:
        raise NodeError("No job of %s is running in this session." % node.name(), remedy="`videomatte jobs` lists every job.")
    run.stop.set()
    tell(node, "Cancelling …")


def range_from_source(node: Any) -> None:
    """Take the frame range of Source."""
    source = node.input(solve.SOURCE)
    if source is None:
        raise NodeError("Nothing is connected to Source.", remedy="Connect the plate, and press again.")
    found = source.frameRange()
    with nuke.Undo("VideoMatte range"):
        node["first"].setValue(found.first())
        node["last"].setValue(found.last())


def add_key(node: Any) -> None:
    """Put the current frame on the list of key frames."""
    _listed(node, lambda keys, frame: keys | {frame})


def remove_key(node: Any) -> None:
    """Take the current frame off the list of key frames."""
    _listed(node, lambda keys, frame: keys - {frame})


def _listed(node: Any, change: Callable[[Set[int], int], Set[int]]) -> None:
    if node["keys_from"].value() != "list":
        raise NodeError("The key frames come from the roto.", remedy="Set Key frames to list.")
    listed = set(frames.parsed(node["key_frames"].value(), what="Key frames"))
    if not listed and node["vm_solved"].value():
        listed = {int(node["first"].value())}
    keys = change(listed, nuke.frame())
    with nuke.Undo("VideoMatte key frames"):
        node["key_frames"].setValue(frames.written(keys))


def next_key(node: Any) -> None:
    """Go to the frame where another key would help most."""
    state = _state(node)
    if not state.advice:
        tell(node, "No other key frame is suggested.")
        return
    if nuke.GUI:
        nuke.frame(state.advice[0])
    tell(node, "Suggested key frames, best first: %s." % ", ".join(str(frame) for frame in state.advice))


def ask_status(node: Any) -> None:
    """Ask how the shot stands now."""
    tell(node, conversation.summary(_state(node)) + ".")


def lock(node: Any) -> None:
    """Lock the frames of Lock range."""
    _lock(node, locked=True)


def unlock(node: Any) -> None:
    """Unlock the frames of Lock range."""
    _lock(node, locked=False)


def _lock(node: Any, *, locked: bool) -> None:
    chosen = frames.parsed(node["lock_frames"].value(), what="Lock range")
    if not chosen:
        raise NodeError("Lock range is empty.", remedy="Name frames, such as 1001-1020.")
    folder, link = _existing(node), settings.link_of(node)
    conversation.greet(link)
    with conversation.client_for(link) as client:
        shot = client.call(ShotOpen(Description(), folder=folder)).shot
        client.call(ShotLock(shot, frames.written(chosen), locked=locked))
    tell(node, "%s %s." % ("Locked" if locked else "Unlocked", frames.written(chosen)))


def give_back(node: Any) -> None:
    """Have the daemon free the memory of idle devices."""
    link = settings.link_of(node)
    conversation.greet(link)
    with conversation.client_for(link) as client:
        found = client.call(DaemonRelease())
    busy = "; %s when done" % ", ".join(found.busy) if found.busy else ""
    tell(node, "Memory given back: %s%s." % (", ".join(found.devices) or "none was held", busy))


def open_folder(node: Any) -> None:
    """Show the shot folder in the file browser."""
    folder = _existing(node)
    if sys.platform == "win32":
        os.startfile(folder)
        return
    command = "open" if sys.platform == "darwin" else "xdg-open"
    bare = {name: value for name, value in os.environ.items() if name not in OF_NUKE}
    try:
        subprocess.Popen([command, folder], env=bare)
    except OSError as error:
        raise NodeError("%s cannot be started: %s." % (command, error.strerror), remedy="The folder is %s" % folder) from None


def _state(node: Any) -> ShotState:
    folder, link = _existing(node), settings.link_of(node)
    conversation.greet(link)
    return conversation.asked(folder, link=link)


def _existing(node: Any) -> str:
    """Return the node's shot folder, which must be there. Raises NodeError."""
    identity.identify(node)
    folder = settings.shot_folder(node)
    if not os.path.isfile(folder + "/shot.json"):
        raise NodeError("There is no shot in %s yet." % folder, remedy="Press Solve first.", file=folder)
    return folder


ACTIONS: Mapping[str, Callable[[Any], None]] = MappingProxyType(
    {
        "solve": solve.solve,
        "preview_frame": solve.preview,
        "cancel": cancel,
        "range_from_source": range_from_source,
        "add_key": add_key,
        "remove_key": remove_key,
        "next_key": next_key,
        "ask_status": ask_status,
        "lock": lock,
        "unlock": unlock,
        "give_back": give_back,
        "open_folder": open_folder,
        "update_node": update.update,
    }
)
"""What every button calls, by the name of its knob."""
