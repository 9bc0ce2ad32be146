"""CURVE keys in files: a key of one's own (secret, mode 0600), and the public keys of clients that a daemon lets in.

keys/NAME.key          public and secret key, for the one who owns it
keys/allowed/NAME.pub  the public key of a client that may connect
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Optional, Tuple

import zmq

from . import places
from .errors import NotAllowedError, StorageError, UsageError
from .fields import reader

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Z85 = re.compile(r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")


@dataclass(frozen=True)
class Key:
    """A pair of keys, as Z85 text of 40 characters each."""

    public: str
    secret: str


def make_key(name: str, *, folder: Optional[Path] = None) -> Key:
    """Make a key and write it to NAME.key. Raises UsageError when the name is taken or unfit, StorageError when it cannot be written."""
    public, secret = zmq.curve_keypair()
    while public.startswith(b"-"):  # a command line would take it for an option
        public, secret = zmq.curve_keypair()
    key = Key(public.decode(), secret.decode())
    path = _file(name, folder, ".key")
    places.private(path.parent)
    _write(path, json.dumps(asdict(key), indent=1) + "\n")
    return key


def load_key(name: str, *, folder: Optional[Path] = None) -> Key:
    """Return the key NAME. Raises NotAllowedError when others may read it, UsageError when it is not there or no key."""
    path = _file(name, folder, ".key")
    try:
        if not places.is_ours_alone(path.stat()):
            raise NotAllowedError(
                f"Others may read the key {path}.", remedy=f"Say: chmod 600 {path}; better, make a new one.", file=str(path)
            )
        key: Key = reader(Key)(json.loads(path.read_text(encoding="ascii")), "key")
        if not (Z85.fullmatch(key.public) and Z85.fullmatch(key.secret)):
            raise ValueError("keys are 40 characters of Z85")
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"There is no usable key {path}: {why}.", remedy=f"Make one: videomatte keys make {name}", file=str(path)
        ) from None
    return key


def key_names(*, folder: Optional[Path] = None) -> Tuple[str, ...]:
    """Return the names of one's own keys."""
    return tuple(sorted(path.name[: -len(".key")] for path in (folder or places.keys_folder()).glob("*.key")))


def allow(name: str, public: str, *, folder: Optional[Path] = None) -> Path:
    """Let the client with this public key in. Raises UsageError when it is no key or the name is taken or unfit."""
    if not Z85.fullmatch(public):
        raise UsageError(f"{public[:60]!r} is not a public key.", remedy="It has 40 characters; `videomatte keys list` shows yours.")
    path = _file(name, (folder or places.keys_folder()) / "allowed", ".pub")
    places.private(path.parent.parent)
    places.private(path.parent)
    _write(path, public + "\n")
    return path


def revoke(name: str, *, folder: Optional[Path] = None) -> None:
    """Let a client in no more. Raises UsageError when no client of that name is let in, StorageError when its key cannot be removed."""
    path = _file(name, (folder or places.keys_folder()) / "allowed", ".pub")
    try:
        path.unlink()
    except FileNotFoundError:
        raise UsageError(f"No client {name} is let in.", remedy="`videomatte keys list` shows who is.", file=str(path)) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be removed: {error.strerror}.", file=str(path)) from None


def allowed_clients(*, folder: Optional[Path] = None) -> Dict[str, str]:
    """Return the names of the clients that may connect, by public key; files that hold no key count for nothing."""
    found = {}
    for path in sorted(((folder or places.keys_folder()) / "allowed").glob("*.pub")):
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if Z85.fullmatch(text):
            found[text] = path.name[: -len(".pub")]
    return found


def _file(name: str, folder: Optional[Path], ending: str) -> Path:
    if not PLAIN_NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a key.", remedy="Use letters, digits, dot, dash and underscore.")
    return (folder or places.keys_folder()) / (name + ending)


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already.", remedy="Choose another name, or remove it.", file=str(path)) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.", file=str(path)) from None
