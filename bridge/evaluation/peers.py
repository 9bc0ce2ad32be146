"""Classical methods, frame by frame, to compare with: closed-form and shared matting as pymatting has them.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (PAMI 2008); Gastal, Oliveira, "Shared Sampling for Real-Time
Alpha Matting" (Eurographics 2010). Both are shown the display-referred view, as photographs are, with the library's own settings.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bridge.imaging.trimap import BACKGROUND_CLASS, FOREGROUND_CLASS, UNKNOWN_CLASS, Classes, to_values
from bridge.wire.errors import UsageError

Floats = NDArray[np.float64]
Estimate = Callable[[Floats, Floats], Floats]


def closed_form(view: NDArray[np.floating], classes: Classes) -> NDArray[np.float32]:
    """Return alpha, T×H×W float32, by closed-form matting. view: T×H×W×3, 0..1; classes: T×H×W uint8. Raises UsageError."""
    return _frame_by_frame(library().estimate_alpha_cf, view, classes)


def shared_matting(view: NDArray[np.floating], classes: Classes) -> NDArray[np.float32]:
    """Return alpha, T×H×W float32, by shared matting. view: T×H×W×3, 0..1; classes: T×H×W uint8. Raises UsageError."""
    return _frame_by_frame(library().estimate_alpha_sm, view, classes)


def solvable(classes: Classes) -> bool:
    """Return whether a frame, H×W, has certain background and certain foreground: without both, these methods have no answer."""
    return all(bool((classes == known).any()) for known in (BACKGROUND_CLASS, FOREGROUND_CLASS))


def _frame_by_frame(estimate: Estimate, view: NDArray[np.floating], classes: Classes) -> NDArray[np.float32]:
    frames = zip(view, classes, strict=True)
    return np.stack([_exact(estimate, np.ascontiguousarray(picture, np.float64), marks) for picture, marks in frames])


def _exact(estimate: Estimate, picture: Floats, classes: Classes) -> NDArray[np.float32]:
    """Return the alpha of a frame, exactly 0 or 1 where the trimap is certain, 0.5 where the method has no answer."""
    known = to_values(classes)
    unknown = classes == UNKNOWN_CLASS
    if not (unknown.any() and solvable(classes)):
        return known
    try:
        found = np.nan_to_num(np.asarray(estimate(picture, known.astype(np.float64))), nan=0.5)
    except ValueError:  # the solver gave up on this frame
        return known
    return np.where(unknown, np.clip(found, 0, 1), known).astype(np.float32)


def library() -> ModuleType:
    """Return pymatting. Raises UsageError where it is not installed."""
    try:
        return import_module("pymatting")
    except ImportError as error:
        message = "The classical methods to compare with need pymatting, which is not installed."
        remedy = "Install the development tools, pip install 'videomatte-bridge[dev]', or leave out --peers."
        raise UsageError(message, remedy=remedy) from error
