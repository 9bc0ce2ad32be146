"""The colour spaces a plate can be in, by the names of the ASWF Color Interop Forum and the names that people type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.imaging import primaries as p
from bridge.imaging.curves import Curve
from bridge.imaging.primaries import Primaries
from bridge.wire.errors import ColourError


@dataclass(frozen=True)
class ColourSpace:
    """What the numbers of a plate mean.

    `name` is the interop id, `primaries` the CIE xy coordinates of its RGB, `curve` the way its numbers stand for light.
    `mixes_linear` says where foreground and background were mixed: in light (film, renders) or in display values (finished 8-bit video).
    """

    name: str
    primaries: Primaries
    curve: Curve = Curve.LINEAR
    mixes_linear: bool = True
    aliases: tuple[str, ...] = ()

    @property
    def to_rec709(self) -> NDArray[np.float64]:
        """The 3×3 matrix from this space's light to linear Rec.709: `rec709 = to_rec709 @ rgb`."""
        return self.primaries.to_rec709()

    @property
    def is_linear(self) -> bool:
        """Whether the numbers are light already."""
        return self.curve is Curve.LINEAR


def _display(name: str, primaries: Primaries, curve: Curve, aliases: tuple[str, ...] = ()) -> ColourSpace:
    return ColourSpace(name, primaries, curve, mixes_linear=False, aliases=aliases)


LINEAR_REC709 = ColourSpace(
    "lin_rec709_scene",
    p.REC709,
    aliases=(
        "linear",
        "scene-linear",
        "lin_rec709",
        "lin_srgb",
        "linear rec.709 (srgb)",
        "utility - linear - srgb",
        "utility - linear - rec.709",
    ),
)
SRGB = _display(
    "srgb_rec709_scene",
    p.REC709,
    Curve.SRGB,
    ("srgb", "srgb - texture", "srgb_texture", "srgb_rec709_display", "srgb encoded rec.709 (srgb)", "utility - srgb - texture"),
)
ACES2065_1 = ColourSpace("lin_ap0_scene", p.AP0, aliases=("aces2065-1", "aces", "ap0", "lin_ap0", "aces - aces2065-1"))

SPACES: tuple[ColourSpace, ...] = (
    LINEAR_REC709,
    ColourSpace("lin_ap1_scene", p.AP1, aliases=("acescg", "ap1", "lin_ap1", "aces - acescg")),
    ACES2065_1,
    ColourSpace("lin_rec2020_scene", p.REC2020, aliases=("lin_rec2020", "linear rec.2020", "utility - linear - rec.2020")),
    ColourSpace("lin_p3d65_scene", p.P3_D65, aliases=("lin_p3d65", "lin_displayp3", "linear p3-d65", "utility - linear - p3-d65")),
    ColourSpace("lin_adobergb_scene", p.ADOBE_RGB, aliases=("lin_adobergb", "linear adobergb")),
    ColourSpace("lin_ciexyzd65_scene", p.XYZ, aliases=("xyz", "cie xyz-d65 - scene-referred", "lin_xyz")),
    SRGB,
    _display("srgb_p3d65_scene", p.P3_D65, Curve.SRGB, ("display p3", "srgb_p3d65", "srgb_displayp3", "srgb_p3d65_display")),
    _display("srgb_ap1_scene", p.AP1, Curve.SRGB, ("srgb_ap1", "srgb encoded ap1")),
    _display("g18_rec709_scene", p.REC709, Curve.GAMMA_18, ("gamma1.8", "g18_rec709")),
    _display("g22_rec709_scene", p.REC709, Curve.GAMMA_22, ("gamma2.2", "g22_rec709", "g22_rec709_display")),
    _display(
        "g24_rec709_scene", p.REC709, Curve.GAMMA_24, ("rec709", "rec.709", "gamma2.4", "g24_rec709", "g24_rec709_display", "rec.1886")
    ),
    _display("g22_adobergb_scene", p.ADOBE_RGB, Curve.GAMMA_22, ("adobergb", "adobe rgb (1998)", "g22_adobergb_display")),
    _display("g22_ap1_scene", p.AP1, Curve.GAMMA_22, ("g22_ap1", "gamma 2.2 encoded ap1")),
    ColourSpace("acescct_ap1_scene", p.AP1, Curve.ACESCCT, aliases=("acescct", "acescct_ap1", "aces - acescct")),
    ColourSpace(
        "arri_logc3", p.ARRI_WIDE_GAMUT_3, Curve.LOGC3, aliases=("logc", "logc3", "arri logc3 (ei800)", "alexav3logc", "arri_logc3_ei800")
    ),
    ColourSpace("arri_logc4", p.ARRI_WIDE_GAMUT_4, Curve.LOGC4, aliases=("logc4", "arri logc4")),
    ColourSpace("sony_slog3", p.S_GAMUT_3_CINE, Curve.SLOG3, aliases=("slog3", "s-log3", "s-log3 s-gamut3.cine")),
    ColourSpace("red_log3g10", p.RED_WIDE_GAMUT, Curve.LOG3G10, aliases=("log3g10", "red log3g10", "log3g10 redwidegamutrgb")),
)


def known(name: str) -> ColourSpace | None:
    """Return the space with this interop id or alias, whatever its letter case, or None."""
    wanted = name.strip().lower()
    return next((space for space in SPACES if wanted == space.name or wanted in space.aliases), None)


def named(name: str) -> ColourSpace:
    """Return the space with this interop id or alias, whatever its letter case.

    Raises `ColourError` with the list of names.
    """
    space = known(name)
    if space is None:
        names = ", ".join(f"{s.name} ({s.aliases[0]})" for s in SPACES)
        raise ColourError(f"There is no colour space named '{name}'.", remedy=f"Use auto, or one of: {names}.")
    return space


def linear_name(space: ColourSpace) -> str | None:
    """Return the interop id of light in an encoded space's own primaries; None for a linear space, or where there is no such name."""
    if space.is_linear:
        return None
    return next((s.name for s in SPACES if s.is_linear and s.primaries.matches(space.primaries)), None)
