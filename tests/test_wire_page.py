"""The page about the protocol says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from wire_examples import VECTORS, read_vector

from bridge.wire import places
from bridge.wire.codec import MAGIC, PREAMBLE, decode
from bridge.wire.messages import PROTOCOL, message_types
from bridge.wire.tables import page_with_tables, tables, words

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    assert page_with_tables(PAGE) == PAGE, "say: python -m bridge.wire.tables docs/protocol.md"


def test_the_page_holds_every_table_and_every_message() -> None:
    marks = re.findall(r"<!-- ([a-z]+) -->", PAGE)
    assert sorted(marks) == sorted(tables())
    assert [name for name in message_types() if f"| `{name}` |" not in PAGE] == []


def test_a_table_that_was_changed_by_hand_is_made_anew() -> None:
    drifted = PAGE.replace("| `ping` |", "| `pong` |")
    assert drifted != PAGE
    assert page_with_tables(drifted) == PAGE


def test_the_bytes_that_the_page_shows_are_a_vector() -> None:
    shown = [bytes.fromhex(line) for line in re.findall(r"^    ([0-9a-f]{2}(?: ?[0-9a-f]{2})+)\b", PAGE, flags=re.MULTILINE)]
    assert b"".join(shown) == b"".join(read_vector("shot.solve"))
    assert decode(read_vector("shot.solve")).request == 11
    assert VECTORS.name in PAGE


def test_the_page_names_magic_version_and_socket_length() -> None:
    assert MAGIC.decode() in PAGE
    assert f"({PROTOCOL[0]}, {PROTOCOL[1]})" in PAGE
    assert len(PREAMBLE) == 6
    assert f"{places.LONGEST_SOCKET_PATH} bytes" in PAGE


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("str", "text"),
        ("Optional[Frame]", "Frame, or nil"),
        ("Tuple[str, ...]", "list of text"),
        ("Tuple[Tuple[str, str], ...]", "list of [text, text]"),
        ("Optional[Tuple[Frame, Frame]]", "[Frame, Frame], or nil"),
        ('Literal["set", "remove"]', "`set` or `remove`"),
    ],
)
def test_types_are_said_in_words(annotation: str, said: str) -> None:
    assert words(annotation) == said
