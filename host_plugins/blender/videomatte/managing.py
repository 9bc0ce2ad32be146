# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked beside solving: cancel, go to the next suggested key, lock, give memory back, test the connection."""

from __future__ import annotations

import time

import bpy
from bpy.props import BoolProperty, IntProperty

from .asking import Steps, answer
from .commands import Command, OfMatte, chosen, redraw
from .complaints import MatteError, text_of
from .link import client
from .plate import plate_of
from .preferences import preferences
from .shot import asked, opened, standing
from .wire.errors import VideoMatteError
from .wire.messages import DaemonRelease, DaemonStatus, ShotLock

GREETING = 1.0  # seconds in which a daemon that is there answers


class VIDEOMATTE_OT_cancel(bpy.types.Operator):
    """Cancel what runs; what is solved stays solved"""

    bl_idname = "videomatte.cancel"
    bl_label = "Cancel Matte"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow it while something runs."""
        return context.window_manager.videomatte.busy

    def execute(self, context: bpy.types.Context) -> set:
        """Leave word; the next tick stops."""
        context.window_manager.videomatte.stop = True
        return {"FINISHED"}


class VIDEOMATTE_OT_next_key(OfMatte, bpy.types.Operator):
    """Go to the frame where the next key would help most; press again for the one after"""

    bl_idname = "videomatte.next_key"
    bl_label = "Next Suggested Matte Key"

    def execute(self, context: bpy.types.Context) -> set:
        """Change the frame."""
        tree = chosen(context)
        frames = suggested(tree) if tree is not None else ()
        if not frames:
            self.report({"INFO"}, "No frame stands out: the keys are enough, or nothing is solved yet.")
            return {"CANCELLED"}
        here = context.scene.frame_current
        context.scene.frame_set(frames[(frames.index(here) + 1) % len(frames)] if here in frames else frames[0])
        return {"FINISHED"}


class VIDEOMATTE_OT_lock(Command, bpy.types.Operator):
    """Lock frames, so that they keep their alpha whatever changes, or unlock them"""

    bl_idname = "videomatte.lock"
    bl_label = "Lock Matte Range"
    undo = "Lock Matte Range"

    first: IntProperty(name="First", description="First scene frame", options={"SKIP_SAVE"})
    last: IntProperty(name="Last", description="Last scene frame", options={"SKIP_SAVE"})
    locked: BoolProperty(name="Locked", default=True, options={"SKIP_SAVE"})

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Lock or unlock."""
        if self.last < self.first:
            raise MatteError("The frames %d-%d count backwards." % (self.first, self.last), remedy="Type the first frame first.")
        uid, shift = tree.session_uid, plate_of(tree.videomatte).shift
        frames = "%d-%d" % (self.first + shift, self.last + shift)
        with client() as daemon:
            shot = yield from opened(daemon, tree)
            yield from answer(daemon, ShotLock(shot, frames, self.locked), text="Locking")
            yield from asked(daemon, shot, uid)
        return "Frames %d-%d are %s." % (self.first, self.last, "locked" if self.locked else "not locked")


class VIDEOMATTE_OT_lock_range(OfMatte, bpy.types.Operator):
    """Choose frames that keep their alpha whatever changes, or that do so no longer"""

    bl_idname = "videomatte.lock_range"
    bl_label = "Lock Matte Range"
    bl_options = {"INTERNAL"}

    first: IntProperty(name="First", description="First scene frame", options={"SKIP_SAVE"})
    last: IntProperty(name="Last", description="Last scene frame", options={"SKIP_SAVE"})
    locked: BoolProperty(name="Locked", default=True, options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set:
        """Ask which frames, the current one to begin with."""
        self.first = self.last = context.scene.frame_current
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set:
        """Begin to lock them; what a dialog runs would keep Blender waiting for the daemon."""
        tree = chosen(context)
        try:
            how = "EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT"
            bpy.ops.videomatte.lock(how, matte=tree.name if tree else "", first=self.first, last=self.last, locked=self.locked)
        except RuntimeError as error:
            self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
            return {"CANCELLED"}
        return {"FINISHED"}


class VIDEOMATTE_OT_give_back(bpy.types.Operator):
    """Have the daemon give the memory of the GPU back; busy devices do so when they are done"""

    bl_idname = "videomatte.give_back"
    bl_label = "Give Matte Memory Back"

    def execute(self, _context: bpy.types.Context) -> set:
        """Ask, for at most a second."""
        try:
            with client() as daemon:
                released = daemon.call(DaemonRelease(), timeout=GREETING)
        except VideoMatteError as error:
            self.report({"ERROR"}, text_of(error))
            return {"CANCELLED"}
        said = ["given back: {}".format(", ".join(released.devices))] if released.devices else []
        said += ["busy: {}".format(", ".join(released.busy))] if released.busy else []
        self.report({"INFO"}, "; ".join(said).capitalize() or "There was nothing to give back.")
        return {"FINISHED"}


class VIDEOMATTE_OT_test_connection(bpy.types.Operator):
    """Look whether the daemon answers"""

    bl_idname = "videomatte.test_connection"
    bl_label = "Test Connection"

    def execute(self, context: bpy.types.Context) -> set:
        """Ask, for at most a second."""
        begun, chosen_ones = time.monotonic(), preferences()
        try:
            with client() as daemon:
                state = daemon.call(DaemonStatus(), timeout=GREETING)
        except VideoMatteError as error:
            chosen_ones.said = text_of(error)
            self.report({"ERROR"}, chosen_ones.said)
            return {"CANCELLED"}
        devices = ", ".join(device.name or device.device for device in state.devices)
        chosen_ones.said = f"VideoMatte {state.version} answers in {(time.monotonic() - begun) * 1e3:.0f} ms ({devices})"
        self.report({"INFO"}, chosen_ones.said)
        redraw(context)
        return {"FINISHED"}


class VIDEOMATTE_OT_go_to(bpy.types.Operator):
    """Go to this frame"""

    bl_idname = "videomatte.go_to"
    bl_label = "Go to Matte Frame"
    bl_options = {"INTERNAL"}

    frame: IntProperty()
    about: bpy.props.StringProperty()

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """Say what is known of the frame."""
        return properties.about or cls.__doc__

    def execute(self, context: bpy.types.Context) -> set:
        """Change the frame."""
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


def suggested(tree: bpy.types.NodeTree) -> tuple:
    """Return the scene frames where the next key would help most, best first. Frames of a plate that cannot be found are none."""
    try:
        shift = plate_of(tree.videomatte).shift
    except MatteError:
        return ()
    return tuple(number - shift for number in standing(tree.videomatte).get("advice", ()))


CLASSES = (
    VIDEOMATTE_OT_cancel,
    VIDEOMATTE_OT_next_key,
    VIDEOMATTE_OT_lock,
    VIDEOMATTE_OT_lock_range,
    VIDEOMATTE_OT_give_back,
    VIDEOMATTE_OT_test_connection,
    VIDEOMATTE_OT_go_to,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
