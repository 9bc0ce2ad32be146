"""The node classes that the plug-in and its gizmo use, with the names, kinds, defaults and items of their knobs; no other knob exists."""

from __future__ import annotations

import host_knobs as k

ENDS = ("hold", "loop", "bounce", "black")
GENERIC = {
    "name": (k.String_Knob, ""),
    "label": (k.String_Knob, ""),
    "tile_color": (k.Int_Knob, 0),
    "disable": (k.Boolean_Knob, False),
    "selected": (k.Boolean_Knob, False),
    "hide_input": (k.Boolean_Knob, False),
    "help": (k.String_Knob, ""),
    "xpos": (k.Int_Knob, 0),
    "ypos": (k.Int_Knob, 0),
}
READ = {
    "file": (k.File_Knob, ""),
    "proxy": (k.File_Knob, ""),
    "file_type": (k.Enumeration_Knob, "", ("", "exr", "dpx", "png", "mov")),
    "first": (k.Int_Knob, 1),
    "last": (k.Int_Knob, 1),
    "origfirst": (k.Int_Knob, 1),
    "origlast": (k.Int_Knob, 1),
    "origset": (k.Boolean_Knob, False),
    "frame_mode": (k.Enumeration_Knob, "expression", ("expression", "start at", "offset")),
    "frame": (k.String_Knob, ""),
    "on_error": (k.Enumeration_Knob, "error", ("error", "black", "checkerboard", "nearest frame")),
    "before": (k.Enumeration_Knob, "hold", ENDS),
    "after": (k.Enumeration_Knob, "hold", ENDS),
    "colorspace": (k.String_Knob, "default (linear)"),
    "raw": (k.Boolean_Knob, False),
    "premultiplied": (k.Boolean_Knob, False),
    "auto_alpha": (k.Boolean_Knob, False),
    "localizationPolicy": (k.Enumeration_Knob, "fromAutoLocalizePath", ("on", "fromAutoLocalizePath", "onDemand", "off")),
}
WRITE = {
    "file": (k.File_Knob, ""),
    "file_type": (k.Enumeration_Knob, "", ("", "exr", "dpx", "png", "mov")),
    "channels": (k.Enumeration_Knob, "rgb", ("rgb", "rgba", "alpha", "all")),
    "raw": (k.Boolean_Knob, False),
    "colorspace": (k.String_Knob, "default (linear)"),
    "create_directories": (k.Boolean_Knob, False),
    "views": (k.String_Knob, "main"),
    "use_limit": (k.Boolean_Knob, False),
    "premultiplied": (k.Boolean_Knob, False),
}
WRITE_EXR = {
    "datatype": (k.Enumeration_Knob, "16 bit half", ("16 bit half", "32 bit float")),
    "compression": (
        k.Enumeration_Knob,
        "Zip (1 scanline)",
        ("none", "Zip (1 scanline)", "Zip (16 scanlines)", "PIZ Wavelet (32 scanlines)"),
    ),
    "autocrop": (k.Boolean_Knob, False),
    "metadata": (
        k.Enumeration_Knob,
        "default metadata",
        ("no metadata", "default metadata", "all metadata except input/*", "all metadata"),
    ),
}
"""Knobs that a Write has only once it is an EXR."""
CLASSES: dict[str, dict[str, tuple]] = {
    "Read": READ,
    "Write": WRITE,
    "Copy": {
        "from0": (k.String_Knob, ""),
        "to0": (k.String_Knob, ""),
        "bbox": (k.Enumeration_Knob, "union", ("union", "B", "A")),
    },
    "Switch": {"which": (k.String_Knob, "0")},
    "Premult": {"channels": (k.String_Knob, "rgb"), "alpha": (k.String_Knob, "rgba.alpha"), "invert": (k.Boolean_Knob, False)},
    "Input": {"number": (k.Int_Knob, 0)},
    "Output": {},
    "Group": {},
    "Dot": {},
    "NoOp": {},
    "Grade": {"white": (k.String_Knob, "1")},
    "TimeOffset": {"time_offset": (k.Int_Knob, 0)},
    "Roto": {"curves": (k.CurveKnob, None)},
    "Viewer": {},
    "Root": {
        "proxy": (k.Boolean_Knob, False),
        "first_frame": (k.Int_Knob, 1),
        "last_frame": (k.Int_Knob, 100),
        "workingSpaceLUT": (k.String_Knob, "linear"),
    },
}
