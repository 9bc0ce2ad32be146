"""Key files: what an artist painted, copied into the shot as 0, 0.5 and 1 on the plate's windows, so that the shot needs nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.canvas import fit, place
from bridge.imaging.trimap import to_values
from bridge.window import Window
from bridge.wire.errors import WindowError

from .content import file_digest
from .keys import Classes
from .plates import Floats


def land(path: Path, classes: Classes, *, onto: exr.Header) -> str:
    """Write a key file and return its digest; the same classes on the same plate are the same bytes.

    classes: H×W uint8 on the plate's data window. Raises StorageError, WindowError.
    """
    exr.write_trimap(path, to_values(classes), like=onto, attributes={"kind": "key"})
    return file_digest(path)


def on_plate(values: NDArray[np.floating], *, onto: exr.Header, window: Window | None = None) -> Floats:
    """Return pixels of a host on a plate's data window, H×W float32; 0 where there are none.

    values: H×W float; window: where they lie in display coordinates, or None to go by their size. Raises WindowError.
    """
    if values.ndim != 2:
        raise WindowError(f"A matte has rows and columns, not {values.ndim} dimensions.", remedy="Give one channel.")
    height, width = values.shape
    own = window or Window(0, 0, width, height)
    if window is None:
        own = fit(
            values,
            own_data=own,
            own_display=own,
            plate_data=onto.data_window,
            plate_display=onto.display_window,
            name="What was painted",
            windowed=False,
        )
    return np.asarray(place(np.asarray(values, np.float32), of=own, into=onto.data_window), np.float32)
