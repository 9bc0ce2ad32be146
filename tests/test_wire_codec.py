"""Messages as frames: frozen vectors, every corruption of them, round trips, hostile headers."""

from __future__ import annotations

import math
import struct
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_examples import EXAMPLES, VECTORS, read_vector, said

from bridge.wire import limits
from bridge.wire.codec import PREAMBLE, Envelope, decode, encode
from bridge.wire.errors import LocalProtocolError, RemoteProtocolError, UnknownMessageError, VersionError
from bridge.wire.limits import Between
from bridge.wire.messages import Done, Error, Hello, Jobs, Message, Ping, ShotFrame, ShotKey, ShotLock, ShotOpen, ShotSolve, message_types
from bridge.wire.pixels import InlinePixels, SharedPixels

NAMES = sorted(EXAMPLES)
BITS = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF, 0x7F, 0x55)


def survives(frames: list[bytes]) -> bool:
    """Return whether frames decode to a message; anything but that or the protocol error is raised."""
    try:
        envelope = decode(frames)
    except RemoteProtocolError:
        return False
    assert isinstance(envelope.message, Message)
    encode(envelope.message, request=envelope.request, parts=envelope.parts)
    return True


def header(**changes: Any) -> list[bytes]:
    """Return the frames of a ping whose header differs in some entries."""
    return [PREAMBLE, msgpack.packb({"request": 5, "type": "ping", "body": {}, **changes})]


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_says_its_message_and_the_message_its_vector(name: str) -> None:
    assert said(EXAMPLES[name]) == read_vector(name)
    assert decode(read_vector(name)) == EXAMPLES[name]


def test_every_message_has_a_vector_and_every_vector_a_message() -> None:
    assert {type(envelope.message) for envelope in EXAMPLES.values()} == set(message_types().values())
    assert sorted(path.stem for path in VECTORS.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_prefix_of_a_vector_is_a_message(name: str) -> None:
    frames = read_vector(name)
    for i, frame in enumerate(frames):
        for end in range(len(frame)):
            assert not survives([*frames[:i], frame[:end]])
            assert not survives([*frames[:i], frame[:end], *frames[i + 1 :]])
        assert not survives(frames[:i])


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_with_one_wrong_byte_is_a_message_or_a_protocol_error(name: str) -> None:
    frames = read_vector(name)
    assert survives(frames)
    for i, frame in enumerate(frames[:2]):
        for place in range(len(frame)):
            for bits in BITS:
                wrong = bytearray(frame)
                wrong[place] ^= bits
                survives([*frames[:i], bytes(wrong), *frames[i + 1 :]])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_vector_with_any_wrong_byte_is_a_message_or_a_protocol_error(name: str) -> None:
    frames = read_vector(name)
    for place in range(len(frames[1])):
        for value in range(256):
            wrong = bytearray(frames[1])
            wrong[place] = value
            survives([frames[0], bytes(wrong), *frames[2:]])


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for an annotated type, after the limits it names."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds: Between = inside[1]
        return st.integers(bounds.least, bounds.most)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin is tuple:
        many = inside[1:] == (...,)
        return st.lists(values(inside[0]), max_size=4).map(tuple) if many else st.tuples(*(values(one) for one in inside))
    if origin is Union:
        return st.one_of(*(st.none() if one is type(None) else values(one) for one in inside if one not in (InlinePixels, SharedPixels)))
    if is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        return st.builds(hint, **{field.name: values(hints[field.name]) for field in fields(hint)})
    plain: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    return plain[hint]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_message_comes_back_as_it_went(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(message_types().values(), key=lambda cls: cls.__name__)))
    message, request = data.draw(values(kind)), data.draw(st.integers(0, limits.NUMBER))
    assert decode(encode(message, request=request)) == Envelope(request, message)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_body_with_junk_in_any_field_is_a_message_or_a_protocol_error(name: str, data: st.DataObject) -> None:
    frames = read_vector(name)
    said_before = msgpack.unpackb(frames[1])
    body = said_before["body"]
    where = data.draw(st.sampled_from(sorted(body)) if body else st.just("new"))
    body[where] = data.draw(JUNK)
    survives([frames[0], msgpack.packb(said_before), *frames[2:]])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=4))
def test_any_frames_are_a_message_or_a_protocol_error(frames: list[bytes]) -> None:
    survives(frames)
    survives([PREAMBLE, *frames])


HOSTILE = {
    "nested 1000 deep": b"\x91" * 1000 + b"\xc0",
    "maps nested 1000 deep": b"\x81\xa1a" * 1000 + b"\xc0",
    "a list of 4 billion": b"\xdd\xff\xff\xff\xff",
    "a map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "lists that each claim what is left": b"\xdc\x03\xe8" * 7 + b"\xc0" * 1000,
    "a text of 4 gigabytes": b"\xdb\xff\xff\xff\xff",
    "a text past the limit": b"\xdb" + struct.pack(">I", limits.TEXT_BYTES + 1) + b"a" * (limits.TEXT_BYTES + 1),
    "more values than allowed": b"\xdd" + struct.pack(">I", limits.ELEMENTS + 1) + b"\xc0" * (limits.ELEMENTS + 1),
    "a timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "an extension": b"\xc7\x01\x05\x00",
    "binary": b"\xc4\x01\x00",
    "the byte that is never used": b"\xc1",
    "a list": b"\x90",
    "nothing": b"",
    "two values": b"\x80\x80",
    "a key that comes twice": b"\x82\xa4type\xa4ping\xa4type\xa4ping",
    "a key that is a number": b"\x81\x01\x01",
    "a key that is a list": b"\x81\x90\x01",
    "a key that is nil": b"\x81\xc0\x01",
    "text that is no UTF-8": b"\x81\xa4type\xa2\xff\xfe",
    "a surrogate": b"\x81\xa4type\xa3\xed\xa0\x80",
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_a_hostile_header_is_refused(what: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode([PREAMBLE, HOSTILE[what]])


def test_a_header_past_a_mebibyte_is_refused_before_it_is_read() -> None:
    with pytest.raises(RemoteProtocolError, match="1048577 bytes"):
        decode([PREAMBLE, b"\xc0" * (limits.HEADER_BYTES + 1)])


@pytest.mark.parametrize("request_id", [-1, 2**53, 2**64 - 1, 1.0, True, "5", None, [], {}])
def test_a_request_id_is_a_whole_number_that_every_language_has(request_id: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="request id"):
        decode(header(request=request_id))


@pytest.mark.parametrize("frame", [2**31, -(2**31), 2**63, 1.5, True, "1001", None, math.nan])
def test_a_frame_number_is_a_whole_number_within_bounds(frame: Any) -> None:
    body = {"shot": "s", "frame": frame, "action": "remove"}
    with pytest.raises(RemoteProtocolError, match=r"shot.key.frame must be a whole number from -2147483647 to 2147483647") as caught:
        decode(header(type="shot.key", body=body))
    assert caught.value.request == 5


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, True, "1"])
def test_a_number_is_finite(number: Any) -> None:
    body = {"shot": "s", "frame": 1, "pixels": {"kind": "file", "path": "a"}, "pixel_aspect": number}
    with pytest.raises(RemoteProtocolError, match="finite"):
        decode(header(type="shot.frame", body=body))


def test_a_whole_number_will_do_where_a_number_is_asked_for() -> None:
    body = {"shot": "s", "frame": 1, "pixels": {"kind": "file", "path": "a"}, "pixel_aspect": 2}
    message = decode(header(type="shot.frame", body=body)).message
    assert isinstance(message, ShotFrame)
    assert (message.pixel_aspect, type(message.pixel_aspect)) == (2.0, float)


def test_unknown_fields_are_ignored_at_every_depth() -> None:
    frames = [
        PREAMBLE,
        msgpack.packb({"request": 1, "type": "shot.open", "later": 1, "body": {"mood": [], "description": {"plate": "p", "grain": {}}}}),
    ]
    message = decode(frames).message
    assert isinstance(message, ShotOpen)
    assert message.description.plate == "p"


def test_a_missing_field_takes_its_default_or_is_an_error_that_names_it() -> None:
    assert decode(header(type="jobs", body={})).message == Jobs(all=False)
    with pytest.raises(RemoteProtocolError, match=r"shot\.solve\.shot is missing"):
        decode(header(type="shot.solve", body={}))


def test_an_unknown_message_can_be_answered() -> None:
    with pytest.raises(UnknownMessageError) as caught:
        decode(header(type="shot.paint", body=7))
    assert (caught.value.request, caught.value.code) == (5, "protocol.unknown")


def test_another_major_version_is_refused_and_a_newer_minor_is_not() -> None:
    assert decode([b"VMAT\x01\x09", header()[1]]).message == Ping()
    with pytest.raises(VersionError, match=r"speaks protocol 2\.0, this one 1\.0"):
        decode([b"VMAT\x02\x00", b"whatever it means there"])


@pytest.mark.parametrize(
    ("pixels", "part"),
    [
        (InlinePixels("uint8", (2, 3)), 5),
        (InlinePixels("uint8", (2, 3)), 7),
        (InlinePixels("float32", (2, 3, 4)), 6),
        (InlinePixels("uint8", (65536, 65536, 4)), 0),
        (InlinePixels("uint8", (6,)), 6),
        (InlinePixels("uint8", (1, 2, 3, 1)), 6),
        (InlinePixels("uint8", (2, 3), part=1), 6),
        (InlinePixels("uint8", (1, 1, 5)), 5),
    ],
)
def test_pixels_fit_their_part_or_nothing_is_made_of_them(pixels: InlinePixels, part: int) -> None:
    body = {"kind": "inline", "dtype": pixels.dtype, "shape": list(pixels.shape), "part": pixels.part}
    frames = [*header(type="shot.key", body={"shot": "s", "frame": 1, "action": "set", "pixels": body}), bytes(part)]
    with pytest.raises(RemoteProtocolError) as caught:
        decode(frames)
    assert caught.value.request == 5
    with pytest.raises(LocalProtocolError):
        encode(ShotKey("s", 1, "set", pixels), request=1, parts=[bytes(part)])


@pytest.mark.parametrize("side", [0, -1, 65537, 2**63 - 1])
def test_a_side_of_a_picture_is_within_bounds(side: int) -> None:
    pixels = {"kind": "shared", "name": "a.pixels", "offset": 0, "dtype": "uint8", "shape": [2, side]}
    with pytest.raises(RemoteProtocolError):
        decode(header(type="shot.key", body={"shot": "s", "frame": 1, "action": "set", "pixels": pixels}))


def test_parts_that_no_field_names_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="1 parts came"):
        decode([*header(), b"abc"])
    with pytest.raises(RemoteProtocolError, match="11 frames"):
        decode([*header(), *[b""] * 9])


def test_a_part_is_seen_in_place_and_not_copied() -> None:
    raw = bytearray(6)
    frames = encode(ShotKey("s", 1, "set", InlinePixels("uint8", (2, 3))), request=1, parts=[raw])
    (part,) = decode(frames).parts
    raw[4] = 9
    assert part[4] == 9


@pytest.mark.parametrize(
    "message",
    [
        ShotSolve(7),  # type: ignore[arg-type]
        ShotLock("s", None),  # type: ignore[arg-type]
        ShotKey("s", 2**31, "remove"),
        ShotKey("s", 1, "paint"),  # type: ignore[arg-type]
        Hello("a" * (limits.TEXT_BYTES + 1)),
        Hello("\ud800"),
        Hello("a", path_map=(("a",),)),  # type: ignore[arg-type]
        Error("a", "b", frame=2**40),
        ShotSolve(object()),  # type: ignore[arg-type]
    ],
)
def test_what_the_other_side_would_refuse_is_not_sent(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        encode(message, request=1)


@pytest.mark.parametrize("request_id", [-1, 2**53])
def test_a_request_id_out_of_bounds_is_not_sent(request_id: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode(Done(), request=request_id)
