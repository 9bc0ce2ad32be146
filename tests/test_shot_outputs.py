"""Where results may not land: on what is read, by whatever way it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.sequence import Sequence
from bridge.shot.outputs import check_patterns
from bridge.wire.errors import UsageError


@pytest.fixture
def plate(tmp_path: Path) -> Sequence:
    """Three plates as empty files: only their names count here."""
    (tmp_path / "plates").mkdir()
    for frame in (1, 2, 3):
        (tmp_path / "plates" / f"plate.{frame:04d}.exr").touch()
    return Sequence.parse(tmp_path / "plates" / "plate.####.exr")


def checked(out: Path, plate: Sequence) -> None:
    check_patterns([("matte", Sequence.parse(out))], inputs=[("the plate", plate)], frames=(1, 2, 3))


def test_a_result_beside_the_plates_under_another_name_is_allowed(plate: Sequence) -> None:
    checked(plate.folder / "matte.####.exr", plate)


def test_a_folder_that_leads_to_the_plates_is_known_for_theirs(plate: Sequence, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(plate.folder)
    with pytest.raises(UsageError, match="the same file as the plate at frame 1"):
        checked(tmp_path / "elsewhere" / "plate.####.exr", plate)


@pytest.mark.parametrize("dead", [False, True])
def test_a_file_that_leads_to_a_plate_is_known_for_it(plate: Sequence, tmp_path: Path, dead: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "matte.0002.exr").symlink_to(tmp_path / "gone" if dead else plate.path(2))
    if dead:
        checked(tmp_path / "out" / "matte.####.exr", plate)
    else:
        with pytest.raises(UsageError, match="the same file as the plate at frame 2"):
            checked(tmp_path / "out" / "matte.####.exr", plate)


def test_a_plate_that_leads_to_a_result_is_known_for_it(plate: Sequence, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "matte.0003.exr").touch()
    plate.path(3).unlink()
    plate.path(3).symlink_to(tmp_path / "out" / "matte.0003.exr")
    with pytest.raises(UsageError, match="the same file as the plate at frame 3"):
        checked(tmp_path / "out" / "matte.####.exr", plate)
