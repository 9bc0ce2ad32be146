"""What a file says about itself before its pixels are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import OpenImageIO as oiio

from bridge.exr.door import opened, parts
from bridge.exr.selection import Selection, select
from bridge.window import Window
from bridge.wire.errors import ImageError


@dataclass(frozen=True)
class ColourHints:
    """What a file says about its colour; None where it is silent."""

    interop_id: str | None = None
    chromaticities: tuple[float, ...] | None = None
    aces_container: bool = False
    oiio_colorspace: str | None = None


@dataclass(frozen=True)
class Header:
    """The facts of the part of a file that one view and layer sit in; windows in display coordinates."""

    path: Path
    file_format: str
    channels: tuple[str, ...]
    view: str | None
    layer: str
    views: tuple[str, ...]
    layers: tuple[str, ...]
    data_window: Window
    display_window: Window
    pixel_aspect: float
    is_float: bool
    colour_hints: ColourHints
    selection: Selection = field(repr=False, compare=False)
    spec: oiio.ImageSpec = field(repr=False, compare=False)

    def attribute(self, name: str) -> object:
        """Return an attribute as OpenImageIO reads it (`smpte:TimeCode` for timeCode), or None."""
        value: object = self.spec.getattribute(name)
        return value


def read_header(path: str | Path, *, view: str | None = None, layer: str | None = None) -> Header:
    """Read the header of the part that holds `view` and `layer`; no pixels, so a truncated file passes.

    Raises:
        ImageError: the file is no image, is deep or chroma-subsampled, or has no such view or layer.
    """
    path = Path(path)
    with opened(path) as source:
        return header_of(source, path, view=view, layer=layer)


def header_of(source: oiio.ImageInput, path: Path, *, view: str | None, layer: str | None) -> Header:
    """Read the header from an open file."""
    return _header(parts(source, path), path, str(source.format_name()), view=view, layer=layer)


def bare_header(data: Window, *, display: Window, pixel_aspect: float = 1.0) -> Header:
    """Return the header of an EXR that does not exist yet, for pixels that come from no file: R, G, B on a data window, float."""
    spec = oiio.ImageSpec(data.width, data.height, 3, oiio.FLOAT)
    spec.x, spec.y = data.x0, data.y0
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = display.x0, display.y0, display.width, display.height
    spec["PixelAspectRatio"] = float(pixel_aspect)
    return _header([spec], Path(), "openexr", view=None, layer=None)


def _header(specs: list[oiio.ImageSpec], path: Path, file_format: str, *, view: str | None, layer: str | None) -> Header:
    selection = select(specs, path, view=view, layer=layer)
    spec = specs[selection.part]
    if spec.deep:
        raise ImageError(f"{path} is a deep image", remedy="Flatten it (DeepToImage) and render it again.", file=str(path))
    data = Window(spec.x, spec.y, spec.x + spec.width, spec.y + spec.height)
    display = Window(spec.full_x, spec.full_y, spec.full_x + spec.full_width, spec.full_y + spec.full_height)
    return Header(
        path=path,
        file_format=file_format,
        channels=tuple(spec.channelnames),
        view=selection.view,
        layer=selection.layer,
        views=selection.views,
        layers=selection.layers,
        data_window=data,
        display_window=data if display.empty else display,
        pixel_aspect=float(spec.getattribute("PixelAspectRatio") or 1.0),
        is_float=any(p.kind in ("half", "float", "double") for p in selection.rgb or selection.places),
        colour_hints=_hints(spec),
        selection=selection,
        spec=spec,
    )


def _hints(spec: oiio.ImageSpec) -> ColourHints:
    primaries = spec.getattribute("chromaticities")
    return ColourHints(
        interop_id=_text(spec.getattribute("colorInteropID")),
        chromaticities=tuple(float(n) for n in primaries) if isinstance(primaries, Sequence) and len(primaries) == 8 else None,
        aces_container=spec.getattribute("acesImageContainerFlag") in (1, "1"),
        oiio_colorspace=_text(spec.getattribute("oiio:ColorSpace")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
