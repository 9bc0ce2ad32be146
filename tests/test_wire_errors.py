"""The tree of errors, on the wire and back."""

from __future__ import annotations

import pytest

from bridge.wire import errors
from bridge.wire.codec import decode, encode
from bridge.wire.errors import InputError, ProtocolError, VideoMatteError, error_class, every_error
from bridge.wire.limits import TEXT_BYTES
from bridge.wire.messages import Error


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_an_error_comes_back_as_its_class_with_all_it_says(kind: type[VideoMatteError]) -> None:
    said = Error.of(kind("It broke.", remedy="Mend it.", file="a.exr", frame=1001))
    back = decode(encode(said, request=1)).message
    assert isinstance(back, Error)
    error = back.exception()
    family = ProtocolError if kind.code == "protocol" else kind
    assert type(error) is family
    assert (error.message, error.remedy, error.file, error.frame, error.exit_status) == (
        "It broke.",
        "Mend it.",
        "a.exr",
        1001,
        kind.exit_status,
    )


def test_a_code_of_the_future_is_an_error_of_its_family() -> None:
    assert error_class("input.future") is InputError
    assert error_class("input.image.future") is errors.ImageError
    assert error_class("future") is VideoMatteError


def test_the_tree_in_the_docstring_names_every_class_with_its_exit_status() -> None:
    page = errors.__doc__ or ""
    for kind in every_error():
        line = next((line for line in page.splitlines() if kind.__name__ in line.split()), None)
        assert line is not None, kind.__name__
        if kind.__base__ is VideoMatteError:
            assert str(kind.exit_status) in line.split(), line


def test_a_message_that_is_too_long_is_cut_between_letters() -> None:
    said = Error.of(VideoMatteError("ä" * TEXT_BYTES))
    assert said.message.endswith("ä…")
    assert len(said.message.encode()) <= TEXT_BYTES
    encode(said, request=1)


def test_a_name_that_is_no_unicode_does_not_keep_an_error_from_being_said() -> None:
    encode(Error.of(InputError("No \udcff.exr.", file="\udcff.exr")), request=1)
