"""Images in and out: plates, trimaps, mattes; the only part that speaks to OpenImageIO."""

from bridge.exr.door import set_threads
from bridge.exr.header import ColourHints, Header, bare_header, read_header
from bridge.exr.landing import sweep_temporaries
from bridge.exr.provenance import read_provenance
from bridge.exr.read import Channel, Plate, read_channel, read_plate
from bridge.exr.write import write_matte, write_rgb, write_trimap

__all__ = [
    "Channel",
    "ColourHints",
    "Header",
    "Plate",
    "bare_header",
    "read_channel",
    "read_header",
    "read_plate",
    "read_provenance",
    "set_threads",
    "sweep_temporaries",
    "write_matte",
    "write_rgb",
    "write_trimap",
]
