"""A contact sheet: a few frames of a shot side by side, from plate to matte, for the eye to judge."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.imaging.curves import Curve, encode_srgb
from bridge.wire.errors import StorageError

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

PAPER, EMPTY, INK, FAINT = 30, 38, 214, 156
CHECKER = (0.22, 0.38)
MARGIN, GAP, LABELS, HEADER = 28, 8, 168, 34
FINER = 4


@dataclass(frozen=True)
class Column:
    """One frame of the sheet. Pictures are H×W×3 float in view space (sRGB values 0..1), mattes H×W float 0..1; None leaves a cell empty.

    `foreground` is the estimated colour that is laid over the checkerboard; without it the plate is.
    """

    title: str
    plate: Floats
    alpha: Floats
    key_trimap: Floats | None = None
    trimap: Floats | None = None
    foreground: Floats | None = None
    true_alpha: Floats | None = None


def contact_sheet(columns: Sequence[Column], *, title: str = "", cell_width: int = 320) -> Picture:
    """Return the sheet, H×W×3 uint8, RGB in sRGB values: a row for each stage of the shot, a column for each frame.

    Rows that no frame has are left out. cell_width: pixels; the height follows the first plate.
    """
    height, width = columns[0].plate.shape[:2]
    size = (cell_width, max(1, round(cell_width * height / width)))
    rows = [(label, cells) for label, cells in _rows(columns, size) if any(cell is not None for cell in cells)]
    top = MARGIN + (HEADER if title else 0) + HEADER
    shape = (top + len(rows) * (size[1] + GAP) - GAP + MARGIN, MARGIN + LABELS + len(columns) * (cell_width + GAP) - GAP + MARGIN)
    sheet = np.full((*shape, 3), PAPER, np.uint8)
    if title:
        _write(sheet, title, at=(MARGIN, MARGIN + 16), height=15)
    for i, column in enumerate(columns):
        _write(sheet, column.title, at=(MARGIN + LABELS + i * (cell_width + GAP), top - 12), height=11)
    for j, (label, cells) in enumerate(rows):
        y = top + j * (size[1] + GAP)
        _write(sheet, label, at=(MARGIN, y + size[1] // 2 + 5), height=11, ink=FAINT)
        for i, cell in enumerate(cells):
            x = MARGIN + LABELS + i * (cell_width + GAP)
            sheet[y : y + size[1], x : x + cell_width] = EMPTY if cell is None else cell
    return sheet


def over_checker(picture: Floats, alpha: Floats, *, square: int = 12) -> Floats:
    """Return a picture laid over a grey checkerboard, H×W×3 float32 in sRGB values 0..1, mixed in light as a compositor would.

    picture: H×W×3 float, unpremultiplied, sRGB values 0..1; alpha: H×W float, 0..1; square: pixels.
    """
    height, width = alpha.shape
    rows, columns = np.indices((height, width)) // square
    board = np.where((rows + columns) % 2, *CHECKER)
    light = Curve.SRGB.decode(np.asarray(picture, np.float64))
    coverage = np.asarray(alpha, np.float64)[..., None]
    mixed = coverage * light + (1 - coverage) * Curve.SRGB.decode(board)[..., None]
    return encode_srgb(mixed).astype(np.float32)


def write_png(path: Path, image: Picture) -> None:
    """Write an H×W×3 uint8 RGB picture as PNG, under its final name only when whole.

    Raises `StorageError` where the file cannot be written.
    """
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        remedy = "Check the folder, its permissions and the free space."
        raise StorageError(f"{path} cannot be written: {error.strerror}.", remedy=remedy, file=str(path)) from error


def _rows(columns: Sequence[Column], size: tuple[int, int]) -> list[tuple[str, list[Picture | None]]]:
    return [
        ("Plate", [_cell(c.plate, size) for c in columns]),
        ("Key trimap", [_cell(c.key_trimap, size) for c in columns]),
        ("Propagated trimap", [_cell(c.trimap, size) for c in columns]),
        ("Alpha", [_cell(c.alpha, size) for c in columns]),
        ("Result", [_result(c, size) for c in columns]),
        ("True alpha", [_cell(c.true_alpha, size) for c in columns]),
    ]


def _result(column: Column, size: tuple[int, int]) -> Picture:
    colour = column.plate if column.foreground is None else column.foreground
    return _bytes(over_checker(_fitted(colour, size), _fitted(column.alpha, size)))


def _cell(picture: Floats | None, size: tuple[int, int]) -> Picture | None:
    return None if picture is None else _bytes(_fitted(picture, size))


def _fitted(picture: Floats, size: tuple[int, int]) -> Floats:
    """Resize into the cell, centred on black where the shape differs."""
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (min(size[0], max(1, round(width * scale))), min(size[1], max(1, round(height * scale))))
    small = cv2.resize(np.asarray(picture, np.float32), inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    return np.asarray(cv2.copyMakeBorder(small, top, size[1] - inner[1] - top, left, size[0] - inner[0] - left, cv2.BORDER_CONSTANT))


def _bytes(picture: Floats) -> Picture:
    values = np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)


def _write(sheet: Picture, text: str, *, at: tuple[int, int], height: int, ink: int = INK) -> None:
    """Draw text with its baseline's left end at `at`, four times too large and shrunk, which makes small letters even."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, height * FINER / 21
    (width, _), below = cv2.getTextSize(text, font, scale, FINER)
    tall, wide = 2 * height, width // FINER + 2
    large = np.zeros((tall * FINER, wide * FINER), np.uint8)
    cv2.putText(large, text, (0, (tall - 1) * FINER - below), font, scale, 255, FINER + 1, cv2.LINE_AA)
    cover = cv2.resize(large, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    bottom = at[1] + below // FINER + 1
    target = sheet[max(0, bottom - tall) : bottom, at[0] : at[0] + wide]
    cover = cover[tall - target.shape[0] :, : target.shape[1]]
    target[:] = np.rint(target * (1 - cover) + ink * cover).astype(np.uint8)
