"""Transfer curves: from the numbers in a file to light, and from light to the numbers that a network sees.

All work on float64 arrays of any shape and are evaluated on tables, never on whole frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import partial

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

KNEE, TOP = 0.8, 16.0


def _power(exponent: float, x: Values) -> Values:
    return np.sign(x) * np.abs(x) ** exponent


def _srgb(x: Values) -> Values:
    return np.where(x <= 0.04045, x / 12.92, (np.maximum(x, 0.04045) / 1.055 + 0.055 / 1.055) ** 2.4)


def _log(x: Values, *, cut: float, slope: float, offset: float, scale: float, steepness: float, middle: float, lift: float) -> Values:
    """Decode a camera log curve: an exponential `scale` · 2^(`steepness` · (x − `middle`)) + `lift`, and a straight line below `cut`."""
    return np.where(x < cut, x * slope + offset, scale * np.exp2(steepness * (np.maximum(x, cut) - middle)) + lift)


def _acescct(x: Values) -> Values:
    return _log(x, cut=0.155251141552511, slope=1 / 10.5402377416545, offset=-0.0729055341958355 / 10.5402377416545,
                scale=1.0, steepness=17.52, middle=9.72 / 17.52, lift=0.0)  # fmt: skip


def _logc3(x: Values) -> Values:
    a, b, c, d, e, f, cut = 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809, 0.010591
    return _log(x, cut=e * cut + f, slope=1 / e, offset=-f / e, scale=1 / a, steepness=np.log2(10) / c, middle=d, lift=-b / a)


def _logc4(x: Values) -> Values:
    a, b, c = (2**18 - 16) / 117.45, (1023 - 95) / 1023, 95 / 1023
    slope = 7 * np.log(2) * 2 ** (7 - 14 * c / b) / (a * b)
    offset = (2 ** (14 * (-c / b) + 6) - 64) / a
    return _log(x, cut=0.0, slope=slope, offset=offset, scale=64 / a, steepness=14 / b, middle=c, lift=-64 / a)


def _slog3(x: Values) -> Values:
    cut, toe = 171.2102946929 / 1023, 95 / 1023
    slope = 0.01125 / (cut - toe)
    return _log(
        x, cut=cut, slope=slope, offset=-toe * slope, scale=0.19, steepness=np.log2(10) * 1023 / 261.5, middle=420 / 1023, lift=-0.01
    )


def _log3g10(x: Values) -> Values:
    a, b, c, g = 0.224282, 155.975327, 0.01, 15.1927
    return _log(x, cut=0.0, slope=1 / g, offset=-c, scale=1 / b, steepness=np.log2(10) / a, middle=0.0, lift=-1 / b - c)


class Curve(Enum):
    """How the numbers in a file stand for light."""

    LINEAR = "linear"
    """The numbers are light."""
    SRGB = "srgb"
    """IEC 61966-2-1."""
    GAMMA_18 = "g18"
    """Power 1.8."""
    GAMMA_22 = "g22"
    """Power 2.2."""
    GAMMA_24 = "g24"
    """Power 2.4, ITU-R BT.1886 with black at 0."""
    ACESCCT = "acescct"
    """Academy S-2016-001."""
    LOGC3 = "logc3"
    """ARRI LogC3, exposure index 800, 'ALEXA Log C Curve' (2017)."""
    LOGC4 = "logc4"
    """ARRI LogC4, 'LogC4 Specification' (2022)."""
    SLOG3 = "slog3"
    """Sony S-Log3, 'Technical Summary for S-Gamut3.Cine/S-Log3' (2014)."""
    LOG3G10 = "log3g10"
    """RED Log3G10, 'White Paper on REDWideGamutRGB and Log3G10' (2017)."""

    def decode(self, numbers: Values) -> Values:
        """Return light (1.0 = diffuse white) for finite file numbers of any shape, unclipped."""
        return _DECODERS[self](numbers)


_DECODERS: dict[Curve, Callable[[Values], Values]] = {
    Curve.LINEAR: lambda x: x,
    Curve.SRGB: _srgb,
    Curve.GAMMA_18: partial(_power, 1.8),
    Curve.GAMMA_22: partial(_power, 2.2),
    Curve.GAMMA_24: partial(_power, 2.4),
    Curve.ACESCCT: _acescct,
    Curve.LOGC3: _logc3,
    Curve.LOGC4: _logc4,
    Curve.SLOG3: _slog3,
    Curve.LOG3G10: _log3g10,
}


def roll_off(light: Values) -> Values:
    """Compress highlights: identity up to 0.8, then a logarithm that leaves with slope 1 and reaches exactly 1 at 16, flat above.

    An edge between two lamps stays an edge, which a clamp would lose, and middle grey stays where the network has learned it.
    """
    steepness = _shoulder(span=1 - KNEE, reach=TOP - KNEE)
    over = np.clip(light, KNEE, TOP) - KNEE
    return np.where(light <= KNEE, light, KNEE + np.log1p(steepness * over) / steepness)


def _shoulder(*, span: float, reach: float) -> float:
    """Solve log1p(k · reach) / k = span for k by bisection."""
    low, high = 1e-3, 1e3
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if math.log1p(middle * reach) / middle > span else (low, middle)
    return high


def encode_srgb(light: Values) -> Values:
    """Encode light 0..1 by the curve of IEC 61966-2-1; values outside are clipped."""
    x = np.clip(light, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)
