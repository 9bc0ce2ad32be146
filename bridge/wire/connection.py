"""The connection file: where the daemon listens and by which keys. Mode 0600, written as a whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from . import places
from .errors import DaemonUnreachableError, NotAllowedError, StorageError
from .fields import MismatchError, reader
from .messages import PROTOCOL

LARGEST = 65_536
START = "Start it with: videomatte serve"


@dataclass(frozen=True)
class Connection:
    """How to reach a daemon. `started` differs at every start; TCP endpoints need `server_key` and a key of the client's.

    Without `client_public` and `client_secret` the client takes its own key from the folder of keys. Keys are Z85 text.
    """

    control: str
    pixels: str
    pid: int = 0
    version: str = ""
    protocol: Tuple[int, int] = PROTOCOL
    started: str = ""
    server_key: Optional[str] = None
    client_public: Optional[str] = None
    client_secret: Optional[str] = None

    @property
    def local(self) -> bool:
        """Whether both ends are on one machine by nature of the endpoint."""
        return self.control.startswith("ipc://")


def new_start() -> str:
    """Return a word that tells one start of a daemon from another."""
    return secrets.token_hex(8)


def write_connection(connection: Connection, *, path: Optional[Path] = None) -> Path:
    """Write the connection file and return where it is.

    Raises NotAllowedError when others may enter its folder, StorageError when it cannot be written.
    """
    path = path or places.connection_file()
    places.private(path.parent)
    text = json.dumps(asdict(connection), indent=1).encode() + b"\n"
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise StorageError(f"The connection file {path} cannot be written: {error.strerror}.", file=str(path)) from None
    return path


def read_connection(path: Optional[Path] = None) -> Connection:
    """Return what the connection file says.

    Raises DaemonUnreachableError when there is none or it makes no sense, NotAllowedError when others could have written or read it.
    """
    path = path or places.connection_file()
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            text = file.read(LARGEST + 1) if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        raise DaemonUnreachableError(f"No daemon is running: {path} is not there.", remedy=START, file=str(path)) from None
    except OSError as error:
        raise DaemonUnreachableError(f"{path} cannot be read: {error.strerror}.", remedy=START, file=str(path)) from None
    if not places.is_ours_alone(found):
        raise NotAllowedError(
            f"The connection file {path} is not yours alone (mode {stat.S_IMODE(found.st_mode):04o}).",
            remedy=f"Make it yours: chmod 600 {path}",
            file=str(path),
        )
    return _understood(text, path)


def stamp(path: Optional[Path] = None) -> Tuple[int, int, int]:
    """Return what changes whenever the connection file is written; zeros when it is not there."""
    try:
        found = os.stat(path or places.connection_file())
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _understood(text: bytes, path: Path) -> Connection:
    try:
        if len(text) > LARGEST:
            raise ValueError(f"larger than {LARGEST} bytes")
        said: Dict[str, Any] = json.loads(text.decode())
        connection: Connection = reader(Connection)(said, "connection")
        _check(connection)
    except (ValueError, RecursionError) as error:
        raise DaemonUnreachableError(f"{path} makes no sense: {error}.", remedy=START, file=str(path)) from None
    return connection


def _check(connection: Connection) -> None:
    for endpoint in (connection.control, connection.pixels):
        if not endpoint.startswith(("ipc://", "tcp://")):
            raise MismatchError(f"endpoint {endpoint!r} is neither ipc:// nor tcp://")
        if endpoint.startswith("tcp://") and connection.server_key is None:
            raise MismatchError(f"{endpoint} without a server_key")
    for key in (connection.server_key, connection.client_public, connection.client_secret):
        if key is not None and len(key) != 40:
            raise MismatchError("a key is 40 characters of Z85")
