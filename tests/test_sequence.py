"""Sequences: patterns as artists write them, frames as disks hold them, ranges there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.sequence import Sequence, format_range, parse_range
from bridge.wire.errors import SequenceError

NAMES = st.text(st.characters(exclude_characters="/\0\\", exclude_categories=["Cs"]), max_size=8).filter(lambda t: not t.startswith("."))


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("dir/plate.####.exr", "dir/plate.####.exr"),
        ("plate.%04d.exr", "plate.####.exr"),
        ("plate.%d.exr", "plate.#.exr"),
        ("plate.@@@@.exr", "plate.####.exr"),
        ("plate.$F4.exr", "plate.####.exr"),
        ("plate.$F.exr", "plate.#.exr"),
        ("plate_######.exr", "plate_######.exr"),
        ("a plate with spaces.####.exr", "a plate with spaces.####.exr"),
        ("  'quoted plate.####.exr' ", "quoted plate.####.exr"),
        ("Füße/プレート.####.exr", "Füße/プレート.####.exr"),
        ("dir[a-z]*/p?{1}.####.exr", "dir[a-z]*/p?{1}.####.exr"),
        ("shot#3/take@2/p.####.exr", "shot#3/take@2/p.####.exr"),
        ("take#2.####.exr", "take#2.####.exr"),
        ("sc01-####.exr", "sc01-####.exr"),
        ("####.png", "####.png"),
        ("plate.v001.####.denoised.exr", "plate.v001.####.denoised.exr"),
    ],
)
def test_patterns_are_read_as_artists_write_them(text: str, pattern: str) -> None:
    sequence = Sequence.parse(text)
    assert sequence.pattern == pattern
    assert not sequence.is_single
    assert Sequence.parse(sequence.pattern) == sequence


@pytest.mark.parametrize(
    ("text", "padding", "declared"),
    [
        ("plate.1001-1010x2#.exr", 1, (1001, 1003, 1005, 1007, 1009)),
        ("plate.1-3####.exr", 4, (1, 2, 3)),
        ("plate.-2-1#.exr", 1, (-2, -1, 0, 1)),
        ("plate.1001,1003-1004%04d.exr", 4, (1001, 1003, 1004)),
        ("plate.####.exr 1001-1003", 4, (1001, 1002, 1003)),
    ],
)
def test_a_pattern_may_carry_its_range(text: str, padding: int, declared: tuple[int, ...]) -> None:
    sequence = Sequence.parse(text)
    assert sequence.declared == declared
    assert sequence.padding == padding
    assert sequence.head == "plate."


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("x.1001.exr", 1001),
        ("x_0007.png", 7),
        ("0012.tif", 12),
        ("x.-3.exr", -3),
        ("x_v001.exr", None),
        ("x.exr", None),
        ("b1001.exr", None),
        ("x.1001.5.exr.exr", None),
    ],
)
def test_one_file_is_the_frame_its_name_says_and_a_version_is_no_frame(tmp_path: Path, name: str, number: int | None) -> None:
    touch(tmp_path, name, "x.1002.exr", "x_v002.exr")
    sequence = Sequence.parse(tmp_path / name)
    assert sequence.is_single
    assert sequence.number == number
    assert sequence.frames() == (number or 0,)
    assert sequence.path(55) == tmp_path / name


def test_a_file_that_exists_under_the_very_text_is_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "plate@2x.exr", "plate.####.exr")
    assert Sequence.parse(tmp_path / "plate@2x.exr").is_single
    assert Sequence.parse(tmp_path / "plate.####.exr").is_single


def test_frames_are_those_on_disk_ascending_with_gaps_growth_and_negatives(tmp_path: Path) -> None:
    touch(tmp_path, "p.9998.exr", "p.9999.exr", "p.10000.exr", "p.10002.exr", "p.-001.exr", "p.0000.exr", "p.0001.exr")
    sequence = Sequence.parse(tmp_path / "p.####.exr")
    assert sequence.frames() == (-1, 0, 1, 9998, 9999, 10000, 10002)
    assert [sequence.path(f).name for f in (-1, 1, 10000)] == ["p.-001.exr", "p.0001.exr", "p.10000.exr"]
    assert sequence.missing(range(9998, 10003)) == (10001,)
    assert all(sequence.path(f).exists() for f in sequence.frames())


def test_negative_frames_in_either_spelling_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "p.-0005.exr", "p.-004.exr")
    sequence = Sequence.parse(tmp_path / "p.####.exr")
    assert sequence.frames() == (-5, -4)
    assert [sequence.path(f).name for f in (-5, -4, -3)] == ["p.-0005.exr", "p.-004.exr", "p.-003.exr"]


def test_frames_see_what_was_written_since(tmp_path: Path) -> None:
    touch(tmp_path, "p.0001.exr")
    sequence = Sequence.parse(tmp_path / "p.####.exr")
    assert sequence.frames() == (1,)
    touch(tmp_path, "p.0002.exr")
    assert sequence.frames() == (1, 2)


def test_hidden_temporary_and_other_files_are_no_frames(tmp_path: Path) -> None:
    others = (".p.0002.exr", "._p.0003.exr", "p.0004.exr.tmp", "p.0005.exr~", "pp.0006.exr", "p.0007.jpg", "p.0008.5.exr", "p.٣.exr")
    touch(tmp_path, "p.0001.exr", ".videomatte~host~12~abcdef.tmp", "Thumbs.db", *others)
    assert Sequence.parse(tmp_path / "p.####.exr").frames() == (1,)


def test_glob_characters_in_folders_and_names_stand_for_themselves(tmp_path: Path) -> None:
    folder = touch(tmp_path / "shot [a-c] *?{x}", "p(1)+[2].0001.exr", "p(1)+[2].0002.exr")
    touch(tmp_path / "shot a", "p(1)+[2].0009.exr")
    assert Sequence.parse(folder / "p(1)+[2].####.exr").frames() == (1, 2)


def test_relative_paths_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "p.0001.exr")
    monkeypatch.chdir(tmp_path)
    assert Sequence.parse("p.####.exr").frames() == (1,)
    assert Sequence.parse("./p.####.exr").path(1).exists()


def test_a_carried_range_narrows_the_frames(tmp_path: Path) -> None:
    touch(tmp_path, *(f"p.{f}.exr" for f in range(1001, 1011)))
    assert Sequence.parse(tmp_path / "p.1003-1006x2#.exr").frames() == (1003, 1005)


def test_one_frame_under_two_names_is_an_error_naming_both(tmp_path: Path) -> None:
    touch(tmp_path, "p.0001.exr", "p.1.exr", "p.0002.exr")
    with pytest.raises(SequenceError, match=r"two files claim one frame: p\.0001\.exr and p\.1\.exr"):
        Sequence.parse(tmp_path / "p.####.exr").frames()


def test_nothing_found_says_what_the_folder_holds(tmp_path: Path) -> None:
    touch(tmp_path, "plate.0001.png", "plate.0002.png", "notes.txt", ".DS_Store")
    sequence = Sequence.parse(tmp_path / "plate.####.exr")
    with pytest.raises(SequenceError) as caught:
        sequence.frames()
    assert "no file matches" in caught.value.message
    assert "plate.####.png 0001-0002" in caught.value.message
    assert "notes" not in caught.value.message
    assert caught.value.remedy
    assert sequence.frames(allow_none=True) == ()
    assert sequence.missing((1, 2)) == (1, 2)


def test_wrong_padding_names_the_right_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "p.00001.exr", "p.00002.exr")
    with pytest.raises(SequenceError, match=r"holds p\.#####\.exr 00001-00002"):
        Sequence.parse(tmp_path / "p.####.exr").frames()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SequenceError, match=r"the folder .*nowhere does not exist"):
        Sequence.parse(tmp_path / "nowhere" / "p.####.exr").frames()


@pytest.mark.parametrize("text", ["", "   ", "p\0.exr"])
def test_empty_paths_are_refused(text: str) -> None:
    with pytest.raises(SequenceError, match="empty"):
        Sequence.parse(text)


def test_a_folder_is_refused_and_described(tmp_path: Path) -> None:
    touch(tmp_path, "p.0001.exr", "p.0002.exr")
    with pytest.raises(SequenceError, match=r"is a folder; the folder holds p\.####\.exr 0001-0002"):
        Sequence.parse(tmp_path)


def test_a_view_token_is_refused_with_a_way_out() -> None:
    with pytest.raises(SequenceError, match="one sequence is one view"):
        Sequence.parse("plate_%V.####.exr")


def test_a_name_that_is_too_long_is_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(SequenceError, match="does not exist"):
        Sequence.parse(tmp_path / ("x" * 5000 + ".exr")).frames()


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("10", (10,)),
        ("1001-1004", (1001, 1002, 1003, 1004)),
        ("1001-1006x2", (1001, 1003, 1005)),
        ("1001,1003-1005", (1001, 1003, 1004, 1005)),
        ("1003-1005, 1001 ,1004", (1001, 1003, 1004, 1005)),
        ("-2-2", (-2, -1, 0, 1, 2)),
        ("-5--3", (-5, -4, -3)),
    ],
)
def test_ranges_are_read(text: str, frames: tuple[int, ...]) -> None:
    assert parse_range(text) == frames


@pytest.mark.parametrize("text", ["", "abc", "1-", "1--", "1001-1100x", "1-10x0", "10-1", "1.5", "1;2", "1-2-3", "٣", "1,,2", "9" * 80])
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SequenceError) as caught:
        parse_range(text)
    assert any(digit in caught.value.remedy for digit in "0123456789")


@pytest.mark.parametrize("text", ["1-1000001", "0-999999999999", "1-600000,1-600000"])
def test_an_absurd_range_is_refused_at_once(text: str) -> None:
    with pytest.raises(SequenceError, match="1,000,000"):
        parse_range(text)


@pytest.mark.parametrize(
    ("frames", "text"),
    [((1001, 1002, 1003, 1005), "1001-1003,1005"), ((1, 3, 5, 7), "1-7x2"), ((-5, -4, -3, 0), "-5--3,0"), ((4,), "4"), ((), "")],
)
def test_ranges_are_written_short(frames: tuple[int, ...], text: str) -> None:
    assert format_range(frames) == text


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(-300, 300) | st.integers(-(10**9), 10**9), min_size=1, max_size=60))
def test_writing_a_range_and_reading_it_gives_the_same_frames(frames: set[int]) -> None:
    assert parse_range(format_range(frames)) == tuple(sorted(frames))


@settings(max_examples=60, deadline=None)
@given(
    head=NAMES,
    padding=st.integers(1, 7),
    frames=st.sets(st.integers(-999, 99999), min_size=1, max_size=8),
)
def test_every_frame_written_by_path_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, head: str, padding: int, frames: set[int]
) -> None:
    sequence = Sequence(tmp_path_factory.mktemp("s"), f"{head}.", padding, ".exr")
    for frame in frames:
        sequence.path(frame).write_bytes(b"x")
    assert sequence.frames() == tuple(sorted(frames))
