"""A job that runs: in a thread of its own under a window, in line in batch. Whatever touches nodes goes back to the main thread."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict

import nuke

from . import identity
from .conversation import Order, Outcome, carried_out
from .link import Link
from .render import undone
from .wire.errors import CancelledError, VideoMatteError

LOG = logging.getLogger(__name__)
RUNNING: Dict[str, Run] = {}
"""The jobs of this session by the id of their node; only the main thread changes it."""
Finish = Callable[[Any, Outcome], str]


@dataclass
class Run:
    """A job of a node: how it is cancelled, and what is done with its outcome on the main thread."""

    name: str
    id: str
    order: Order
    link: Link
    finish: Finish
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Run it: at once in batch, which raises what goes wrong; else in a thread, and return."""
        RUNNING[self.id] = self
        if nuke.GUI:
            threading.Thread(target=self._in_thread, name="videomatte " + self.id[:8], daemon=True).start()
            return
        try:
            outcome = carried_out(self.order, link=self.link, heard=Printed(self))
        finally:
            del RUNNING[self.id]
        node = identity.found(self.name, self.id)
        if node is not None:
            nuke.tprint("VideoMatte: " + self.finish(node, outcome))

    def _in_thread(self) -> None:
        """Run it with a progress window, which goes when the last reference to its task does: also that of a traceback."""
        task = nuke.ProgressTask("VideoMatte " + self.name)
        try:
            outcome = carried_out(self.order, link=self.link, heard=Shown(self, task))
            nuke.executeInMainThread(self._ended, (outcome,))
        except VideoMatteError as error:
            nuke.executeInMainThread(self._failed, (error.with_traceback(None),))
        except Exception as error:
            LOG.exception("the job of %s", self.name)
            nuke.executeInMainThread(self._failed, (VideoMatteError("The VideoMatte plug-in failed: %r" % error),))
        finally:
            del task

    def _ended(self, outcome: Outcome) -> None:
        RUNNING.pop(self.id, None)
        node = identity.found(self.name, self.id)
        if node is None:
            nuke.tprint("VideoMatte: %s is gone; its mattes are in %s" % (self.name, outcome.version))
            return
        try:
            tell(node, self.finish(node, outcome))
        except Exception as error:
            LOG.exception("the end of %s", self.name)
            tell(node, "Failed: %s" % error)

    def _failed(self, error: VideoMatteError) -> None:
        RUNNING.pop(self.id, None)
        node = identity.found(self.name, self.id)
        if node is not None:
            tell(node, ("Cancelled. " if isinstance(error, CancelledError) else "Failed: ") + error.message)
        if not isinstance(error, CancelledError):
            nuke.message("VideoMatte: %s" % error)


@dataclass
class Shown:
    """Progress in Nuke's window of tasks; its cross cancels."""

    run: Run
    task: Any

    def progress(self, text: str, share: float) -> None:
        """Show what is done."""
        self.task.setMessage(text)
        self.task.setProgress(int(100 * share))

    def cancelled(self) -> bool:
        """Return whether the cross or the button Cancel was pressed."""
        return bool(self.run.stop.is_set() or self.task.isCancelled())


@dataclass
class Printed:
    """Progress as lines, for batch."""

    run: Run

    def progress(self, text: str, share: float) -> None:
        """Print what is done."""
        nuke.tprint("VideoMatte %s: %3d%% %s" % (self.run.name, int(100 * share), text))

    def cancelled(self) -> bool:
        """Return whether the job is to stop."""
        return self.run.stop.is_set()


def tell(node: Any, text: str) -> None:
    """Show a text as the status of a node, with nothing to undo."""
    with undone():
        node["status"].setValue(text)
