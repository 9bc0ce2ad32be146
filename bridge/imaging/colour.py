"""Which colour space a plate is in: decided once per shot from the artist's setting and the file's own words, never from its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from bridge.imaging.curves import Curve
from bridge.imaging.primaries import Primaries
from bridge.imaging.spaces import ACES2065_1, LINEAR_REC709, SPACES, SRGB, ColourSpace, known, named
from bridge.imaging.view import ViewTransform

__all__ = ["SPACES", "ColourHints", "ColourSpace", "Resolved", "Rule", "ViewTransform", "known", "named", "resolve"]

AUTO = ("", "auto")


class ColourHints(Protocol):
    """What a file says about its colour."""

    @property
    def interop_id(self) -> str | None: ...
    @property
    def chromaticities(self) -> tuple[float, ...] | None: ...
    @property
    def aces_container(self) -> bool: ...
    @property
    def oiio_colorspace(self) -> str | None: ...


class Rule(Enum):
    """What decided the colour space, the strongest first."""

    SETTING = "setting"
    """The artist named it."""
    INTEROP_ID = "colorInteropID"
    """The file's interop id."""
    ACES_CONTAINER = "acesImageContainerFlag"
    """The file is an ACES container (SMPTE ST 2065-4), so AP0."""
    CHROMATICITIES = "chromaticities"
    """The file's primaries and white."""
    OIIO = "oiio:ColorSpace"
    """The name OpenImageIO gives it."""
    DEFAULT = "default"
    """Nothing said; a guess."""


@dataclass(frozen=True)
class Resolved:
    """The space of a shot, the rule that decided it, and what to tell the artist where it is a guess."""

    space: ColourSpace
    source: Rule
    warning: str | None = None


def resolve(setting: str, hints: ColourHints, *, is_float: bool) -> Resolved:
    """Decide the colour space of a shot; the first rule that knows wins, in the order of `Rule`.

    setting: a name, or 'auto' or '' to let the file speak. is_float: whether the file holds float or half rather than integers.
    Raises `ColourError` where the setting is not a known name.
    """
    if setting.strip().lower() not in AUTO:
        return Resolved(named(setting), Rule.SETTING)
    if hints.interop_id and (space := known(hints.interop_id)):
        return Resolved(space, Rule.INTEROP_ID)
    if hints.aces_container:
        return Resolved(ACES2065_1, Rule.ACES_CONTAINER)
    if hints.chromaticities and (space := _from_chromaticities(hints.chromaticities, is_float=is_float)):
        return Resolved(space, Rule.CHROMATICITIES)
    if hints.oiio_colorspace and (space := known(hints.oiio_colorspace)):
        return Resolved(space, Rule.OIIO)
    space = LINEAR_REC709 if is_float else SRGB
    return Resolved(space, Rule.DEFAULT, _guess(space, hints))


def _guess(space: ColourSpace, hints: ColourHints) -> str:
    said = hints.interop_id or hints.oiio_colorspace
    reason = (
        f"The plate names its colour space '{said}', which is not known here"
        if said
        else "The plate does not say which colour space it is in"
    )
    return f"{reason}; it is taken as {space.name}. If that is wrong, name it with --colorspace."


def _from_chromaticities(numbers: tuple[float, ...], *, is_float: bool) -> ColourSpace | None:
    """Return the known space with these primaries, else one made from them; None where they make no sense."""
    if len(numbers) != 8 or not np.isfinite(numbers).all():
        return None
    found = Primaries.from_chromaticities(numbers)
    curve = Curve.LINEAR if is_float else Curve.SRGB
    for space in SPACES:
        if space.curve is curve and space.primaries.matches(found):
            return space
    return ColourSpace("custom", found, curve, mixes_linear=is_float) if _usable(found) else None


def _usable(primaries: Primaries) -> bool:
    if primaries.white[1] <= 0:
        return False
    try:
        matrix = primaries.to_rec709()
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(matrix).all() and np.abs(matrix).max() < 100)
