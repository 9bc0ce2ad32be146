"""Messages as the frames of a ZeroMQ message, and back.

Frame 0 is the magic word and the protocol version, frame 1 a msgpack map (`request`, `type`, `body`), frames 2 and on are the parts: raw
pixels. Nothing is made of data that was not checked; whatever comes in, decode returns an Envelope or raises RemoteProtocolError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple, Union

import msgpack

from .errors import LocalProtocolError, RemoteProtocolError, UnknownMessageError, VersionError
from .fields import MismatchError, plain, reader
from .limits import HEADER_BYTES, NUMBER, PARTS
from .messages import PROTOCOL, Message, message_types, type_name
from .pixels import check_pixels
from .scan import scan

MAGIC = b"VMAT"
PREAMBLE = MAGIC + bytes(PROTOCOL)
Buffer = Union[bytes, bytearray, memoryview]


@dataclass(frozen=True)
class Envelope:
    """A message, the request it belongs to, and the raw pixels beside it."""

    request: int
    message: Message
    parts: Tuple[memoryview, ...] = ()


def encode(message: Message, *, request: int, parts: Sequence[Buffer] = ()) -> List[Buffer]:
    """Return the frames of a message. Raises LocalProtocolError for one that the other side would refuse."""
    name, body = type_name(type(message)), plain(message)
    try:
        header: bytes = msgpack.packb({"request": request, "type": name, "body": body}, use_bin_type=True)
        if len(header) > HEADER_BYTES:
            raise MismatchError(f"{name} takes {len(header)} bytes; {HEADER_BYTES} are allowed")
        scan(header)
        reader(type(message))(body, name)
        if not 0 <= request <= NUMBER or len(parts) > PARTS:
            raise MismatchError(f"request {request} with {len(parts)} parts")
        views = tuple(memoryview(part).cast("B") for part in parts)
        check_pixels(message, tuple(view.nbytes for view in views))
    except (ValueError, TypeError, OverflowError) as error:
        raise LocalProtocolError(f"This message cannot be sent: {error}.", request=max(request, 0)) from None
    return [PREAMBLE, header, *views]


def decode(frames: Sequence[Buffer]) -> Envelope:
    """Return what the frames say. Raises RemoteProtocolError, with the request when it can be told, so that it can be answered."""
    if not 2 <= len(frames) <= 2 + PARTS:
        raise RemoteProtocolError(f"A message of {len(frames)} frames; 2 to {2 + PARTS} are allowed.")
    _check_preamble(bytes(memoryview(frames[0])[:16]))
    header = _unpacked(frames[1])
    request = _request(header)
    name, body = header.get("type"), header.get("body")
    if not isinstance(name, str):
        raise RemoteProtocolError("A message without a type.", request=request)
    if name not in message_types():
        raise UnknownMessageError(f"A message of type {name[:80]!r} is not known here.", remedy="Update videomatte.", request=request)
    try:
        message = reader(message_types()[name])(body, name)
        parts = tuple(memoryview(frame).cast("B") for frame in frames[2:])
        check_pixels(message, tuple(part.nbytes for part in parts))
    except ValueError as error:
        raise RemoteProtocolError(f"A message that does not make sense: {error}.", request=request) from None
    return Envelope(request, message, parts)


def _check_preamble(preamble: bytes) -> None:
    if len(preamble) != len(PREAMBLE) or not preamble.startswith(MAGIC):
        raise RemoteProtocolError("Not a message of videomatte.")
    major, minor = preamble[len(MAGIC) :]
    if major != PROTOCOL[0]:
        ours = ".".join(map(str, PROTOCOL))
        raise VersionError(
            f"The other side speaks protocol {major}.{minor}, this one {ours}.",
            remedy="Use the same version of videomatte for the daemon and in the host.",
        )


def _unpacked(frame: Buffer) -> Dict[str, Any]:
    """Return the header as a map."""
    view = memoryview(frame)
    if view.nbytes > HEADER_BYTES:
        raise RemoteProtocolError(f"A header of {view.nbytes} bytes; {HEADER_BYTES} are allowed.")
    raw = bytes(view)
    try:
        scan(raw)
        header = msgpack.unpackb(raw, raw=False, strict_map_key=False, object_pairs_hook=_map)
    except (ValueError, msgpack.UnpackException) as error:
        raise RemoteProtocolError(f"A header that cannot be read: {error}.") from None
    if type(header) is not dict:
        raise RemoteProtocolError("A header that is not a map.")
    return header


def _map(pairs: List[Tuple[Any, Any]]) -> Dict[str, Any]:
    if any(type(key) is not str for key, _ in pairs):
        raise ValueError("a key that is not text")
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key that comes twice")
    return made


def _request(header: Dict[str, Any]) -> int:
    """Return the request id, 0 when there is none. Raises RemoteProtocolError for anything but a whole number."""
    request = header.get("request", 0)
    if type(request) is not int or not 0 <= request <= NUMBER:
        raise RemoteProtocolError(f"A request id must be a whole number from 0 to {NUMBER}.")
    return request
