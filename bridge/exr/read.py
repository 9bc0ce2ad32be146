"""Pixels of plates, trimaps and mattes: decoded whole, never clipped, or refused by name and reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

from bridge.exr.door import RENDER_AGAIN, error_text, opened
from bridge.exr.header import Header, header_of
from bridge.exr.selection import Place
from bridge.wire.errors import ImageError

Pixels = npt.NDArray[np.float32 | np.float16]


@dataclass(frozen=True)
class Plate:
    """The colour of a frame.

    rgb: H×W×3 over the data window, as the file stores it (scene-linear for EXR), float16 where the file is half, else float32;
    integers of 8 and 16 bits as 0..1. NaN, Inf, negatives and values above 1 are kept.
    """

    rgb: Pixels
    header: Header


@dataclass(frozen=True)
class Channel:
    """One channel of a frame.

    values: H×W float32 over the data window, no colour transform; integers of 8 and 16 bits as 0..1.
    chosen: the full name of the channel it was read from.
    """

    values: npt.NDArray[np.float32]
    chosen: str
    header: Header


def read_plate(path: str | Path, *, view: str | None = None, layer: str | None = None) -> Plate:
    """Read the colour of a frame; a lone Y is repeated in all three channels.

    Raises:
        ImageError: the file cannot be decoded in full, is deep or chroma-subsampled, or holds no colour in that view and layer.
    """
    path = Path(path)
    with opened(path) as source:
        header = header_of(source, path, view=view, layer=layer)
        colour = header.selection.rgb
        if colour is None:
            named = ", ".join(p.full_name for p in header.selection.places)
            raise ImageError(f"{path} has no colour: its channels are {named}", remedy="Choose a layer with R, G and B.", file=str(path))
        rgb = _decode(source, header, colour)
    return Plate(np.repeat(rgb, 3, axis=2) if rgb.shape[2] == 1 else rgb, header)


def read_channel(path: str | Path, *, channel: str | None = None, view: str | None = None, layer: str | None = None) -> Channel:
    """Read one channel of a trimap or matte.

    Without `channel`: A if it varies or there is no colour, else the first colour channel (R, or Y), else the first channel.

    Raises:
        ImageError: the file cannot be decoded in full, is deep or chroma-subsampled, or has no such channel.
    """
    path = Path(path)
    with opened(path) as source:
        header = header_of(source, path, view=view, layer=layer)
        candidates = _asked_for(header, channel) if channel else _candidates(header)
        pixels = _decode(source, header, candidates)
    for place, values in zip(candidates, np.moveaxis(pixels, 2, 0), strict=True):
        if place is candidates[-1] or values.min() != values.max():
            return Channel(np.ascontiguousarray(values, dtype=np.float32), place.full_name, header)
    raise AssertionError("the last candidate is always taken")


def _candidates(header: Header) -> tuple[Place, ...]:
    """Return A and the colour to fall back on when A is flat, or the one channel to take."""
    chosen = header.selection
    alpha, colour = chosen.named("A"), chosen.named("R") or chosen.named("Y")
    return (alpha or ()) + (colour or ()) or chosen.places[:1]


def _asked_for(header: Header, channel: str) -> tuple[Place, ...]:
    places = header.selection.places
    for matches in (
        lambda p: p.full_name == channel,
        lambda p: p.own_name == channel,
        lambda p: channel.lower() in (p.full_name.lower(), p.own_name.lower(), p.role.lower()),
    ):
        if found := [p for p in places if matches(p)]:
            return (found[0],)
    named = ", ".join(p.full_name for p in places)
    raise ImageError(
        f"{header.path} has no channel {channel!r}; it has {named}", remedy="Name one of these channels.", file=str(header.path)
    )


def _decode(source: oiio.ImageInput, header: Header, places: Sequence[Place]) -> Pixels:
    """Decode channels of one part as H×W×C, C in the order of `places`."""
    ordered = sorted(places, key=lambda p: p.index)
    exr = header.file_format == "openexr"
    blocks = [_block(source, header, run, exact=exr) for run in _runs(ordered)]
    pixels = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=2)
    order = [ordered.index(p) for p in places]
    return pixels if order == sorted(order) else np.ascontiguousarray(pixels[..., order])


def _runs(ordered: Sequence[Place]) -> Iterator[list[Place]]:
    """Group channels that lie side by side and have one kind."""
    for _, run in groupby(enumerate(ordered), key=lambda pair: (pair[1].index - pair[0], pair[1].kind)):
        yield [place for _, place in run]


def _block(source: oiio.ImageInput, header: Header, run: Sequence[Place], *, exact: bool) -> Pixels:
    """Decode a run of channels; whole numbers of an EXR keep their value, those of a still become 0..1."""
    kind = run[0].kind
    wanted = {"half": oiio.HALF, "uint": oiio.UINT32}.get(kind, oiio.FLOAT) if exact or kind == "half" else oiio.FLOAT
    try:
        pixels = source.read_image(run[0].part, 0, run[0].index, run[-1].index + 1, wanted)
    except MemoryError as error:
        raise _undecodable(header, f"it needs more memory than there is for {header.data_window}") from error
    if pixels is None or source.has_error:
        raise _undecodable(header, error_text(source) or "its pixels are cut off or damaged")
    shaped: Pixels = pixels.reshape(header.data_window.height, header.data_window.width, len(run))
    return shaped.astype(np.float32) if wanted == oiio.UINT32 else shaped


def _undecodable(header: Header, reason: str) -> ImageError:
    return ImageError(f"{header.path} cannot be decoded: {reason}", remedy=RENDER_AGAIN, file=str(header.path))
