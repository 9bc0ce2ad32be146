"""The contact sheet of a solved shot, and its error against the true alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.contact import Column, contact_sheet, write_png
from bridge.sequence import Sequence
from bridge.shot.keys import read_matte
from bridge.shot.plates import Plates
from bridge.shot.request import Request

Floats = NDArray[np.float32]
COLUMNS = 5
CELL_WIDTH = 320


def judged(request: Request, truth: Sequence) -> tuple[list[Column], float, float]:
    """Return five columns of a contact sheet, first and last frame among them, and two errors.

    The errors are means over all frames and pixels of |alpha - true alpha| × 1000: of whole frames, and where the written trimap is
    unknown. `request` is one that was solved with its trimaps and foreground written. Raises ImageError, WindowError.
    """
    assert request.trimap_out is not None
    plates = Plates(request.plate, layer=request.layer, view=request.view, colorspace=request.colorspace)
    shown = {plates.frames[int(i)] for i in np.linspace(0, len(plates.frames) - 1, COLUMNS).round()}
    columns, whole, unknown = [], [], []
    for frame in plates.frames:
        alpha, true, trimap = (_values(files, plates, frame) for files in (request.out, truth, request.trimap_out))
        error = np.abs(alpha - true)
        whole.append(error.ravel())
        unknown.append(error[trimap == 0.5])
        if frame in shown:
            columns.append(_column(request, plates, frame, alpha=alpha, true=true, trimap=trimap))
    return columns, *(1000.0 * float(np.concatenate(e).mean(dtype=np.float64)) for e in (whole, unknown))  # type: ignore[return-value]


def write(path: Path, columns: list[Column]) -> None:
    """Write the sheet as PNG. Raises StorageError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, contact_sheet(columns, title="videomatte", cell_width=CELL_WIDTH))


def _values(files: Sequence, plates: Plates, frame: int) -> Floats:
    return read_matte(files.path(frame), onto=plates.header(frame)).values


def _column(request: Request, plates: Plates, frame: int, *, alpha: Floats, true: Floats, trimap: Floats) -> Column:
    key = frame in request.trimap.frames()
    foreground = None
    if request.foreground is not None:
        foreground = plates.transform.view(exr.read_plate(request.foreground.path(frame)).rgb)
    return Column(
        f"{frame} key" if key else str(frame),
        plates.transform.view(plates.read(frame).rgb),
        alpha,
        key_trimap=_values(request.trimap, plates, frame) if key else None,
        trimap=trimap,
        foreground=foreground,
        true_alpha=true,
    )
