"""Garbage and holdout mattes, in the keyer's meaning of the words, applied to a finished alpha.

A *garbage* matte covers what must go (rigs, lights, the edge of the set): where it is 1, alpha is 0. It is Keylight's outside mask.
A *holdout* matte covers what must stay whatever the matte found (the core of the subject, eyes in the colour of the screen): where it is 1,
alpha is 1. It is Keylight's inside mask, also known as solid or core matte. Where both are painted, what is applied last wins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matte = NDArray[np.float32]


def apply_garbage(alpha: Matte, garbage: NDArray[np.floating]) -> Matte:
    """Return alpha · (1 − garbage): exactly 0 where garbage is 1, exactly alpha where it is 0.

    Both H×W float, clipped to 0..1 first; NaN counts as 0. Returns H×W float32 in 0..1.
    """
    return _clipped(alpha) * (1 - _clipped(garbage))


def apply_holdout(alpha: Matte, holdout: NDArray[np.floating]) -> Matte:
    """Return the greater of alpha and holdout: exactly 1 where holdout is 1, exactly alpha where it is 0; no soft edge gets thicker.

    Both H×W float, clipped to 0..1 first; NaN counts as 0. Returns H×W float32 in 0..1.
    """
    return np.maximum(_clipped(alpha), _clipped(holdout))


def _clipped(matte: NDArray[np.floating]) -> Matte:
    """Return float32 in 0..1; `fmax` prefers the number to NaN."""
    return np.asarray(np.minimum(np.fmax(matte, 0.0, dtype=np.float32), 1.0), np.float32)
