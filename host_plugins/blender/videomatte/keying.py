# SPDX-License-Identifier: GPL-3.0-or-later
"""Key frames: from an image that was painted, from a mask, or from a matte that is nearly right."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import IntProperty

from . import pictures, stage, versions
from .asking import Step, Steps, answer
from .commands import Command, OfMatte, chosen
from .complaints import MatteError
from .link import client
from .plate import Plate, file_of, pattern_of, plate_of, size_of
from .shot import asked, opened
from .wire.client import Client
from .wire.messages import ShotKey
from .wire.pixels import InlinePixels
from .wire.shared import Picture, SharedFrame

KEY = "trimap"
FEATHER = 1e-3  # what a feather changes at least


def keyed(tree: bpy.types.NodeTree, frame: int, trimap: pictures.Floats) -> Steps[str]:
    """Set the key of a scene frame and say so. trimap: H×W float32, 0 background, 1 foreground, else unknown, bottom row first."""
    settings = tree.videomatte
    uid, number = tree.session_uid, frame + plate_of(settings).shift
    check_inside(settings, frame)
    unknown = _unknown_share(trimap)
    with client() as daemon:
        shot = yield from opened(daemon, tree)
        yield from _sent(daemon, shot, number, trimap)
        yield from asked(daemon, shot, uid)
    return "Key of frame %d set: %.1f %% of it is unknown." % (frame, unknown * 100)


def from_painted(tree: bpy.types.NodeTree, image: bpy.types.Image | None, frame: int) -> pictures.Floats:
    """Return the trimap that was painted in an image. Raises MatteError for one without pixels or of another size than the plate."""
    if image is None:
        raise MatteError("No painted image is chosen.", remedy="Choose it in Painted Image, in the sidebar of the compositor.")
    if not all(image.size) or (not image.has_data and not len(image.pixels)):
        raise MatteError(f"The image {image.name} has no pixels.", remedy="Choose a single image, not a sequence.")
    width, height = size_of(plate_of(tree.videomatte), tree.videomatte, frame)
    if tuple(image.size) != (width, height):
        raise MatteError(
            "The image %s is %d × %d, the plate %d × %d." % (image.name, *image.size, width, height),
            remedy="Paint on an image of the plate's size: New Trimap Image makes one.",
        )
    painted = pictures.pixels_of(image)[..., 0]
    return pictures.np.where(painted < 0.25, 0.0, pictures.np.where(painted > 0.75, 1.0, 0.5)).astype("float32")


def from_mask(tree: bpy.types.NodeTree, mask: bpy.types.Mask | None, frame: int, *, band: float) -> pictures.Floats:
    """Return the trimap that a mask means at a scene frame. Raises MatteError when nothing of it would be unknown."""
    if mask is None:
        raise MatteError("No mask is chosen.", remedy="Choose it in Mask, in the sidebar of the compositor.")
    width, height = size_of(plate_of(tree.videomatte), tree.videomatte, frame)
    hard, soft = (_drawn(mask, frame, width, height, feather=feather) for feather in (False, True))
    if band <= 0 and abs(soft - hard).max() < FEATHER:
        raise MatteError(
            "The mask %s has no feather at frame %d: nothing is unknown." % (mask.name, frame),
            remedy="Feather its points (Alt S), outwards, or set Unknown Width.",
            frame=frame,
        )
    return pictures.from_mask(hard, soft, band=band)


def from_matte(tree: bpy.types.NodeTree, image: bpy.types.Image | None, frame: int, *, erode: float, dilate: float) -> pictures.Floats:
    """Return a trimap made of a matte at a scene frame: an image's, or without one the solved alpha's. Raises MatteError."""
    path = _matte_file(tree, image, frame)
    try:
        values = pictures.pixels_of(image) if path is None else pictures.read(path)
    except RuntimeError:
        raise MatteError("There is no matte at frame %d: %s" % (frame, path), remedy="Solve it first, or choose a Matte.") from None
    if values.size == 0:
        raise MatteError("The matte has no pixels at frame %d." % frame, remedy="Choose an image or image sequence.")
    alpha = values[..., 3] if values.shape[2] == 4 and values[..., 3].min() < 1 else values[..., 0]
    return pictures.from_matte(alpha, erode=erode, dilate=dilate)


def _matte_file(tree: bpy.types.NodeTree, image: bpy.types.Image | None, frame: int) -> str | None:
    """Return the file of a matte at a scene frame; None when the image has the pixels itself. Raises MatteError."""
    settings = tree.videomatte
    number = frame + plate_of(settings).shift
    if image is None:
        if not settings.version:
            raise MatteError("There is no solved matte yet.", remedy="Solve first, or choose a Matte.")
        return str(Path(settings.version) / ("alpha.%04d.exr" % number))
    if image.source != "SEQUENCE":
        return None
    found = pattern_of(bpy.path.abspath(image.filepath, library=image.library))
    return file_of(found[0], number) if found else bpy.path.abspath(image.filepath)


def _drawn(mask: bpy.types.Mask, frame: int, width: int, height: int, *, feather: bool) -> pictures.Floats:
    with stage.empty(width=width, height=height) as drawn:
        drawn.record("mask", versions.mask_node(drawn.tree, mask, feather=feather).outputs[0])
        return pictures.read(drawn.shoot(frame)["mask"])[..., 0]


def _sent(daemon: Client, shot: str, number: int, trimap: pictures.Floats) -> Steps[None]:
    """Send a key: through shared memory where the daemon has it, else beside the message."""
    height, width = trimap.shape
    text = "Sending the key of frame %d" % number
    folder = daemon.welcome.shared_folder if daemon.welcome else None
    if folder and Path(folder).is_dir():
        with SharedFrame(Path(folder), {KEY: Picture("float32", (height, width))}, rows="up") as shared:
            pictures.np.asarray(shared[KEY])[...] = trimap
            yield from answer(daemon, ShotKey(shot, number, "set", shared.pixels(KEY)), text=text)
        return
    pixels = InlinePixels("float32", (height, width), rows="up")
    parts = (memoryview(pictures.np.ascontiguousarray(trimap)).cast("B"),)
    yield from answer(daemon, ShotKey(shot, number, "set", pixels), text=text, parts=parts)


def check_inside(settings: bpy.types.PropertyGroup, frame: int) -> None:
    """Raise MatteError for a scene frame outside of a matte's range."""
    if not settings.first <= frame <= settings.last:
        raise MatteError(
            "Frame %d lies outside of the matte's frames %d-%d." % (frame, settings.first, settings.last),
            remedy="Go to a frame of the matte.",
            frame=frame,
        )


def _unknown_share(trimap: pictures.Floats) -> float:
    """Return how much of a trimap is unknown. Raises MatteError when it knows no foreground or no background at all."""
    low, high = float(trimap.min()), float(trimap.max())
    if low == high:
        what = {0.0: "background", 1.0: "foreground"}.get(low, "unknown")
        raise MatteError(f"The whole trimap is {what}.", remedy="Paint background black, foreground white, the edge between them grey.")
    return float(((trimap > 0.25) & (trimap < 0.75)).mean())


class Keying(Command):
    """A command that sets the key of a frame."""

    undo = "Add Key"
    frame: IntProperty(name="Frame", description="The scene frame", options={"SKIP_SAVE"})

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Make the trimap and send it."""
        frame = self.frame if self.properties.is_property_set("frame") else context.scene.frame_current
        yield Step("Making the trimap of frame %d" % frame)
        check_inside(tree.videomatte, frame)
        said = yield from keyed(tree, frame, self.trimap(tree, frame))
        return said

    def trimap(self, tree: bpy.types.NodeTree, frame: int) -> pictures.Floats:
        """Return the trimap of a scene frame. Raises MatteError."""
        raise NotImplementedError


class VIDEOMATTE_OT_key_from_painted(Keying, bpy.types.Operator):
    """Set the key of this frame from the painted image: black is background, white foreground, grey unknown"""

    bl_idname = "videomatte.key_from_painted"
    bl_label = "Add Matte Key from Painted Image"

    def trimap(self, tree: bpy.types.NodeTree, frame: int) -> pictures.Floats:
        """Read what was painted."""
        return from_painted(tree, tree.videomatte.painted, frame)


class VIDEOMATTE_OT_key_from_mask(Keying, bpy.types.Operator):
    """Set the key of this frame from the mask: inside is foreground, its feather is unknown. Replaces the current Render Result"""

    bl_idname = "videomatte.key_from_mask"
    bl_label = "Add Matte Key from Mask"

    def trimap(self, tree: bpy.types.NodeTree, frame: int) -> pictures.Floats:
        """Draw the mask."""
        return from_mask(tree, tree.videomatte.mask, frame, band=tree.videomatte.band)


class VIDEOMATTE_OT_key_from_matte(Keying, bpy.types.Operator):
    """Set the key of this frame from a matte, its edge made unknown by Erode and Dilate"""

    bl_idname = "videomatte.key_from_matte"
    bl_label = "Add Matte Key from Matte"

    def trimap(self, tree: bpy.types.NodeTree, frame: int) -> pictures.Floats:
        """Make the matte's edge unknown."""
        settings = tree.videomatte
        return from_matte(tree, settings.matte, frame, erode=settings.erode, dilate=settings.dilate)


class VIDEOMATTE_OT_remove_key(Command, bpy.types.Operator):
    """Take the key of this frame away"""

    bl_idname = "videomatte.remove_key"
    bl_label = "Remove Matte Key"
    undo = "Remove Key"

    def steps(self, context: bpy.types.Context, tree: bpy.types.NodeTree) -> Steps[str]:
        """Ask the daemon to forget the key."""
        uid, frame = tree.session_uid, context.scene.frame_current
        number = frame + plate_of(tree.videomatte).shift
        with client() as daemon:
            shot = yield from opened(daemon, tree)
            yield from answer(daemon, ShotKey(shot, number, "remove"), text="Removing the key of frame %d" % frame)
            yield from asked(daemon, shot, uid)
        return "Key of frame %d removed." % frame


class VIDEOMATTE_OT_new_trimap(OfMatte, bpy.types.Operator):
    """Make an image of the plate's size to paint the trimap in, all of it unknown"""

    bl_idname = "videomatte.new_trimap"
    bl_label = "New Trimap Image"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set:
        """Make the image and choose it."""
        tree = chosen(context)
        if tree is None:
            self.report({"ERROR"}, "Make the matte's node the active one.")
            return {"CANCELLED"}
        try:
            tree.videomatte.painted = blank(tree, context.scene.frame_current)
        except MatteError as error:
            self.report({"ERROR"}, f"{error.message} {error.remedy}")
            return {"CANCELLED"}
        return {"FINISHED"}


def blank(tree: bpy.types.NodeTree, frame: int) -> bpy.types.Image:
    """Return a new grey image of the plate's size, packed so that it is saved with the .blend. Raises MatteError."""
    plate: Plate = plate_of(tree.videomatte)
    width, height = size_of(plate, tree.videomatte, frame)
    image = bpy.data.images.new("%s trimap %d" % (tree.name, frame), width, height, alpha=False)
    image.generated_color = (0.5, 0.5, 0.5, 1.0)
    image.pack()
    return image


CLASSES = (
    VIDEOMATTE_OT_key_from_painted,
    VIDEOMATTE_OT_key_from_mask,
    VIDEOMATTE_OT_key_from_matte,
    VIDEOMATTE_OT_remove_key,
    VIDEOMATTE_OT_new_trimap,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
