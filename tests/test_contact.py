"""The contact sheet shows every stage of every frame, and its file is whole or absent."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.imaging.contact import EMPTY, PAPER, Column, contact_sheet, over_checker, write_png
from bridge.wire.errors import StorageError

RED = np.full((54, 96, 3), (0.8, 0.1, 0.1), np.float32)
HALF = np.repeat(np.linspace(0, 1, 96, dtype=np.float32)[None], 54, axis=0)


def cells(sheet: np.ndarray, columns: int, rows: int, size: tuple[int, int]) -> np.ndarray:
    """Cut the sheet's lower right grid into rows × columns × H × W × 3."""
    width, height = size
    y0 = sheet.shape[0] - 28 - rows * (height + 8) + 8
    x0 = sheet.shape[1] - 28 - columns * (width + 8) + 8
    return np.array(
        [[sheet[y0 + j * (height + 8) :][:height, x0 + i * (width + 8) :][:, :width] for i in range(columns)] for j in range(rows)]
    )


def test_every_stage_has_its_row_and_every_frame_its_column() -> None:
    key = Column("Frame 1001", RED, HALF, key_trimap=HALF, trimap=HALF, true_alpha=HALF)
    grid = cells(contact_sheet([key, Column("Frame 1002", RED, 1 - HALF)], cell_width=96), 2, 6, (96, 54))
    assert (grid[0] == (204, 26, 26)).all()
    for row in (1, 2, 3, 5):
        assert np.abs(grid[row, 0, :, :, 0].astype(int) - np.rint(HALF * 255)).max() == 0
    assert (grid[[1, 2, 5], 1] == EMPTY).all()
    assert (grid[3, 1, :, 0] == 255).all()
    assert (grid[4, 0, :, -1] == (204, 26, 26)).all()


def test_a_row_that_no_frame_has_is_left_out() -> None:
    short = contact_sheet([Column("1", RED, HALF)], cell_width=96)
    tall = contact_sheet([Column("1", RED, HALF, true_alpha=HALF)], cell_width=96)
    assert tall.shape[0] - short.shape[0] == 54 + 8
    assert short.dtype == np.uint8


def test_labels_are_legible_and_stay_out_of_the_pictures() -> None:
    sheet = contact_sheet([Column("Frame 1001", RED, HALF)], title="demo", cell_width=96)
    without = contact_sheet([Column("", RED, HALF)], cell_width=96)
    assert sheet.shape[0] == without.shape[0] + 34
    assert sheet[:90].max() > 180
    np.testing.assert_array_equal(cells(sheet, 1, 3, (96, 54)), cells(without, 1, 3, (96, 54)))
    assert (sheet[:8] == PAPER).all()


def test_a_frame_of_another_shape_is_centred_in_its_cell() -> None:
    tall = np.full((108, 54, 3), 1, np.float32)
    grid = cells(contact_sheet([Column("1", RED, HALF), Column("2", tall, tall[..., 0])], cell_width=96), 2, 3, (96, 54))
    columns = grid[0, 1, 27, :, 0]
    assert np.flatnonzero(columns == 255).tolist() == list(range(34, 61))


def test_nan_is_drawn_black() -> None:
    broken = np.full((54, 96), np.nan, np.float32)
    assert (cells(contact_sheet([Column("1", RED, HALF, trimap=broken)], cell_width=96), 1, 4, (96, 54))[1] == 0).all()


def test_over_checker_is_the_picture_where_solid_and_the_board_where_clear() -> None:
    alpha = np.zeros((24, 24), np.float32)
    alpha[:12] = 1
    over = over_checker(np.full((24, 24, 3), 0.6, np.float32), alpha)
    np.testing.assert_allclose(over[:12], 0.6, atol=1e-6)
    np.testing.assert_allclose(over[12:, :12], 0.22, atol=1e-6)
    np.testing.assert_allclose(over[12:, 12:], 0.38, atol=1e-6)


def test_over_checker_mixes_in_light() -> None:
    over = over_checker(np.ones((1, 1, 3), np.float32), np.full((1, 1), 0.5, np.float32))
    light = (0.5 + 0.5 * ((0.38 + 0.055) / 1.055) ** 2.4) ** (1 / 2.4) * 1.055 - 0.055
    np.testing.assert_allclose(over[0, 0], light, atol=1e-6)


def test_the_file_reads_back_in_the_same_colours(tmp_path: Path) -> None:
    sheet = contact_sheet([Column("1", RED, HALF)], cell_width=96)
    write_png(tmp_path / "contact sheet é.png", sheet)
    data = np.frombuffer((tmp_path / "contact sheet é.png").read_bytes(), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], sheet)
    assert [p.name for p in tmp_path.iterdir()] == ["contact sheet é.png"]


def test_a_sheet_that_cannot_be_written_says_where_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "taken.png"
    target.mkdir()
    with pytest.raises(StorageError, match=r"taken\.png"):
        write_png(target, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(StorageError, match="absent"):
        write_png(tmp_path / "absent" / "x.png", np.zeros((2, 2, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]
