# SPDX-License-Identifier: GPL-3.0-or-later
"""What the long commands have in common: pressed, they tick beside the artist's work; called by a script, they wait for their end."""

from __future__ import annotations

import contextlib
import time

import bpy
from bpy.props import StringProperty

from . import group
from .asking import Steps
from .complaints import MatteError, text_of
from .versions import TREE
from .wire.errors import CancelledError, VideoMatteError

TICK = 0.05
BUDGET = 0.01  # seconds of a tick in which steps that have something to do may go on
NAP = 0.005


def chosen(context: bpy.types.Context, name: str = "") -> bpy.types.NodeTree | None:
    """Return the named matte; else the active node's, else the only one of the file. None when that is nobody."""
    mattes = {tree.name: tree for tree in group.mattes()}
    if name:
        return mattes.get(name)
    space = getattr(context, "space_data", None)
    tree = space.edit_tree if space is not None and space.type == "NODE_EDITOR" else None
    if tree is not None and tree.bl_idname == TREE:
        if tree.name in mattes:
            return tree
        active = tree.nodes.active
        if active is not None and active.bl_idname == "CompositorNodeGroup" and active.node_tree in mattes.values():
            return active.node_tree
    return next(iter(mattes.values())) if len(mattes) == 1 else None


class OfMatte:
    """An operator that needs a matte, and that nothing runs."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow it when there is a matte and nothing runs."""
        if context.window_manager.videomatte.busy:
            cls.poll_message_set("Something of VideoMatte is running: wait for its end or press Cancel")
            return False
        if next(group.mattes(), None) is None:
            cls.poll_message_set("There is no matte yet: press New Matte")
            return False
        return True


class Command(OfMatte):
    """An operator whose work is a generator of steps that returns what to report."""

    bl_options = {"REGISTER"}
    undo = ""

    matte: StringProperty(name="Matte", description="The node group; empty for the active one", options={"SKIP_SAVE", "HIDDEN"})

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Do the work. Raises VideoMatteError."""
        raise NotImplementedError

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Begin, and tick from now on."""
        try:
            self._begin(context)
        except VideoMatteError as error:
            return self._failed(error)
        manager = context.window_manager
        manager.progress_begin(0, 100)
        self._timer = manager.event_timer_add(TICK, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Go on at a tick; every other event is the artist's, but ESC."""
        now = context.window_manager.videomatte
        if (event.type == "ESC" and event.value == "PRESS") or now.stop:
            return self._cancelled(context)
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            self._tick(context)
        except StopIteration as end:
            self._end(context)
            return self._finished(end.value)
        except Exception as error:
            self._end(context)
            return self._failed(error)
        return {"PASS_THROUGH"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do it all and return at its end."""
        self._timer = None
        try:
            self._begin(context)
            while True:
                if next(self._steps).idle:
                    time.sleep(NAP)
        except StopIteration as end:
            said = end.value
        except VideoMatteError as error:
            self._end(context)
            return self._failed(error)
        finally:
            self._end(context)
        return self._finished(said)

    def cancel(self, context: bpy.types.Context) -> None:
        """Let go when a file is loaded or Blender ends; the daemon goes on with its job."""
        self._end(context)

    def _begin(self, context: bpy.types.Context) -> None:
        tree = chosen(context, self.matte)
        if tree is None:
            raise MatteError("It is not clear which matte is meant.", remedy="Make its node the active one.")
        self._timer, self._steps = None, self.steps(context, tree)
        now = context.window_manager.videomatte
        now.busy, now.stop, now.text, now.share = True, False, "Beginning", 0.0

    def _tick(self, context: bpy.types.Context) -> None:
        until = time.monotonic() + BUDGET
        step = next(self._steps)
        while not step.idle and time.monotonic() < until:
            step = next(self._steps)
        manager = context.window_manager
        now = manager.videomatte
        if (now.text, now.share) != (step.text, step.share):
            now.text, now.share = step.text, step.share
            manager.progress_update(int(step.share * 100))
            context.workspace.status_text_set(f"VideoMatte: {step.text}   [ESC] cancel")
            redraw(context)

    def _cancelled(self, context: bpy.types.Context) -> set[str]:
        with contextlib.suppress(StopIteration, VideoMatteError):
            self._steps.throw(CancelledError("Cancelled; what is solved stays solved."))
        self._end(context)
        self.report({"WARNING"}, "Cancelled; what is solved stays solved.")
        return {"CANCELLED"}

    def _end(self, context: bpy.types.Context) -> None:
        """Put everything away, however it ended."""
        steps, self._steps = getattr(self, "_steps", None), None
        if steps is not None:
            steps.close()
        now = context.window_manager.videomatte
        now.busy, now.stop, now.text, now.share = False, False, "", 0.0
        if getattr(self, "_timer", None) is not None:
            context.window_manager.event_timer_remove(self._timer)
            context.window_manager.progress_end()
            self._timer = None
            if context.workspace is not None:
                context.workspace.status_text_set(None)
        redraw(context)

    def _finished(self, said: str) -> set[str]:
        if self.undo:
            bpy.ops.ed.undo_push(message=self.undo)
        self.report({"INFO"}, said)
        return {"FINISHED"}

    def _failed(self, error: Exception) -> set[str]:
        self.report({"ERROR"}, text_of(error))
        return {"CANCELLED"}


def redraw(context: bpy.types.Context) -> None:
    """Have every node editor drawn again."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "NODE_EDITOR":
                area.tag_redraw()


def register() -> None:
    """There is nothing to register here."""


def unregister() -> None:
    """There is nothing to take back."""
