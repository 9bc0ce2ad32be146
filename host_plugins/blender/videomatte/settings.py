# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved in the .blend: one block of settings on the node group of each matte. And what runs now, which is not saved."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from . import group
from .commands import chosen
from .versions import RELATIVE

SOURCES = (
    ("IMAGE", "Image", "An image or image sequence; a sequence is read from its files by the daemon"),
    ("CLIP", "Movie Clip", "A movie clip; one made of an image sequence is read from its files"),
    ("UPSTREAM", "Upstream", "Whatever is linked to the Image input of the node, rendered to files first"),
)
PROFILES = (
    ("final", "Final", "The best that there is"),
    ("draft", "Draft", "Quick, for judging keys"),
)
DEVICES = (
    ("auto", "Automatic", "The first GPU, else the processor"),
    ("cpu", "Processor", "The processor, also where there is a GPU"),
    ("cuda", "GPU", "The first GPU"),
)
DEPTHS = (("float", "Float", "32-bit EXR"), ("half", "Half", "16-bit EXR"))


def _rewired(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    group.rewire(settings.id_data)


class VideoMatteSettings(bpy.types.PropertyGroup):
    """One matte: its plate, shot folder and settings, what keys are made of, and how it stood when the daemon was last asked."""

    is_matte: BoolProperty(options={"HIDDEN"})
    source: EnumProperty(name="Source", items=SOURCES, default="IMAGE")
    image: PointerProperty(type=bpy.types.Image, name="Plate", description="The image sequence to pull a matte from")
    clip: PointerProperty(type=bpy.types.MovieClip, name="Plate", description="The movie clip to pull a matte from")
    frame_start: IntProperty(name="Starts at", description="Scene frame at which the sequence begins", default=1)
    frame_offset: IntProperty(name="Offset", description="Files of the sequence that are skipped at its beginning")
    first: IntProperty(name="First", description="First scene frame of the matte", default=1)
    last: IntProperty(name="Last", description="Last scene frame of the matte", default=1)
    folder: StringProperty(
        name="Shot Folder",
        description="Where keys, trimaps and mattes are kept; // is the folder of the .blend",
        subtype="DIR_PATH",
        options=RELATIVE,
    )
    profile: EnumProperty(name="Profile", items=PROFILES, default="final")
    device: EnumProperty(name="Device", items=DEVICES, default="auto")
    depth: EnumProperty(name="Depth", items=DEPTHS, default="float")
    foreground: BoolProperty(name="Foreground", description="Write the foreground's colour too, without the background in it")
    garbage: PointerProperty(type=bpy.types.Mask, name="Garbage", description="Inside this mask the alpha is 0")
    holdout: PointerProperty(type=bpy.types.Mask, name="Holdout", description="Inside this mask the alpha is 1")

    painted: PointerProperty(type=bpy.types.Image, name="Painted Image", description="Black is background, white foreground, grey unknown")
    mask: PointerProperty(type=bpy.types.Mask, name="Mask", description="Inside is foreground, its feather is unknown")
    matte: PointerProperty(
        type=bpy.types.Image, name="Matte", description="A matte whose edge is made unknown; empty: this node's own alpha"
    )
    band: FloatProperty(name="Unknown Width", description="Pixels made unknown around a mask's edge", default=0.0, min=0.0, max=500.0)
    erode: FloatProperty(name="Erode", description="Unknown pixels inside the edge of the matte", default=10.0, min=0.0, max=500.0)
    dilate: FloatProperty(name="Dilate", description="Unknown pixels outside the edge of the matte", default=10.0, min=0.0, max=500.0)

    show_preview: BoolProperty(
        name="Show Preview",
        description="Let the node give the previewed frame in place of the solved matte",
        update=_rewired,
    )
    version: StringProperty(options={"HIDDEN"})
    standing: StringProperty(options={"HIDDEN"})


class VideoMatteNow(bpy.types.PropertyGroup):
    """What runs now."""

    busy: BoolProperty(options={"SKIP_SAVE", "HIDDEN"})
    stop: BoolProperty(options={"SKIP_SAVE", "HIDDEN"})
    text: StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    share: FloatProperty(options={"SKIP_SAVE", "HIDDEN"})

    @property
    def chosen(self) -> VideoMatteSettings:
        """The settings of the chosen matte; presets are written with this path. Raises AttributeError when none is chosen."""
        return chosen(bpy.context).videomatte


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((VideoMatteSettings, VideoMatteNow))


def register() -> None:
    """Register the settings and hang them on node trees and the window manager."""
    _register_classes()
    bpy.types.NodeTree.videomatte = PointerProperty(type=VideoMatteSettings)
    bpy.types.WindowManager.videomatte = PointerProperty(type=VideoMatteNow)


def unregister() -> None:
    """Take them off again; what is saved in files stays."""
    del bpy.types.WindowManager.videomatte
    del bpy.types.NodeTree.videomatte
    _unregister_classes()
