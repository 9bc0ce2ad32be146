"""Chromaticities and the matrix from any of them to linear Rec.709.

Every matrix is computed from the published xy coordinates, so that a plate with chromaticities of its own is treated like a known one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

D65 = (0.3127, 0.3290)
ACES_WHITE = (0.32168, 0.33767)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
CLOSE_ENOUGH = 2e-3


@dataclass(frozen=True)
class Primaries:
    """CIE xy coordinates of red, green, blue and white. `adapts` is False for XYZ numbers, which are relative to D65 as they come."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float] = D65
    adapts: bool = True

    @classmethod
    def from_chromaticities(cls, numbers: tuple[float, ...]) -> Primaries:
        """Read the eight numbers of an EXR `chromaticities` attribute: red, green, blue and white, x before y."""
        red, green, blue, white = ((float(numbers[i]), float(numbers[i + 1])) for i in range(0, 8, 2))
        return cls(red, green, blue, white)

    def matches(self, other: Primaries) -> bool:
        """Tell whether all eight numbers agree within 0.002, the rounding that files are written with."""
        ours = (*self.red, *self.green, *self.blue, *self.white)
        theirs = (*other.red, *other.green, *other.blue, *other.white)
        return all(abs(a - b) <= CLOSE_ENOUGH for a, b in zip(ours, theirs, strict=True))

    def to_xyz(self) -> Matrix:
        """Return the 3×3 matrix from linear RGB to XYZ in which RGB 1, 1, 1 has this white and Y = 1 (SMPTE RP 177).

        Raises `numpy.linalg.LinAlgError` where the primaries lie on one line.
        """
        columns = np.array([(x, y, 1 - x - y) for x, y in (self.red, self.green, self.blue)]).T
        return np.asarray(columns * np.linalg.solve(columns, _xyz(self.white)))

    def to_rec709(self) -> Matrix:
        """Return the 3×3 matrix from linear RGB to linear Rec.709, adapted to D65 by Bradford (Lam 1985).

        Raises `numpy.linalg.LinAlgError` where the primaries lie on one line.
        """
        if self.matches(REC709):
            return np.eye(3)
        adapted = adaptation(self.white, D65) @ self.to_xyz() if self.adapts else self.to_xyz()
        return np.asarray(np.linalg.inv(REC709.to_xyz()) @ adapted)


def _xyz(white: tuple[float, float]) -> Matrix:
    x, y = white
    return np.array([x / y, 1.0, (1 - x - y) / y])


def adaptation(source: tuple[float, float], target: tuple[float, float]) -> Matrix:
    """Return the 3×3 matrix that carries XYZ under the white `source` to XYZ under the white `target`, both CIE xy."""
    gain: Any = (BRADFORD @ _xyz(target)) / (BRADFORD @ _xyz(source))
    return np.asarray(np.linalg.inv(BRADFORD) @ np.diag(gain) @ BRADFORD)


REC709 = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
REC2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
P3_D65 = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
AP0 = Primaries((0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.0770), ACES_WHITE)
AP1 = Primaries((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), ACES_WHITE)
ARRI_WIDE_GAMUT_3 = Primaries((0.6840, 0.3130), (0.2210, 0.8480), (0.0861, -0.1020))
ARRI_WIDE_GAMUT_4 = Primaries((0.7347, 0.2653), (0.1424, 0.8576), (0.0991, -0.0308))
S_GAMUT_3_CINE = Primaries((0.766, 0.275), (0.225, 0.800), (0.089, -0.087))
RED_WIDE_GAMUT = Primaries((0.780308, 0.304253), (0.121595, 1.493994), (0.095612, -0.084589))
XYZ = Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3), adapts=False)
