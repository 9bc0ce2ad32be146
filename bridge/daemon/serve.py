"""A daemon's life: one for each user and runtime folder, from the lock to the last file it takes away."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from bridge.version import VERSION
from bridge.wire import curve, places, shared
from bridge.wire.connection import Connection, new_start, read_connection, write_connection
from bridge.wire.errors import ResourceError, StorageError, VideoMatteError

from .configuration import Configuration
from .doors import Doors
from .front import Front
from .jobs import Jobs
from .pool import Pool
from .post import Clerks, Post
from .queue import Queue
from .schedule import Schedule

LOCK = "daemon.lock"
BESIDE = "`videomatte status` shows it, `videomatte stop` stops it; set XDG_RUNTIME_DIR and XDG_STATE_HOME for another beside it."
log = logging.getLogger(__name__)


def serve(configuration: Configuration, *, up: Callable[[Connection, int], None] = lambda *_: None) -> int:
    """Be the daemon until told to stop; `up` hears when clients can connect, and how many jobs were taken up again.

    Returns an exit status. Raises NotAllowedError, StorageError, ResourceError when it cannot begin.
    """
    with ExitStack() as stack:
        runtime = places.private(places.runtime_folder())
        stack.enter_context(alone(runtime / LOCK))
        stack.enter_context(alone(configuration.state / host_name() / LOCK))
        places.private(configuration.shared)
        stack.callback(_remove_if_empty, configuration.shared)
        shared.sweep(configuration.shared)
        queue = Queue(configuration.state / host_name() / "queue.sqlite")
        stack.callback(queue.close)
        doors = Doors()
        stack.callback(doors.close)
        post = Post()
        front = _front(configuration, doors, post, queue, stack)
        connection = _connection(configuration, doors, stack)
        path = write_connection(connection)
        stack.callback(_withdraw, path, connection)
        _heed(front)
        up(connection, front.resume())
        front.run()
    log.info("stopped")
    return 0


def _front(configuration: Configuration, doors: Doors, post: Post, queue: Queue, stack: ExitStack) -> Front:
    stack.callback(post.close)
    pool = Pool(
        said=lambda worker, said: post.put(lambda: jobs.said(worker, said)),
        gone=lambda worker, status: post.put(lambda: jobs.gone(worker, status)),
        memory=configuration.memory,
        shared=configuration.shared,
    )
    stack.callback(lambda: jobs.close())
    stack.callback(lambda: pool.close(now=front.at_once))
    clerks = Clerks(post)
    stack.callback(clerks.close)
    schedule = Schedule(device=configuration.device, cpu_allowed=configuration.cpu_allowed)
    scratch = scratch_folder(configuration)
    jobs = Jobs(queue, pool, schedule, scratch=scratch, most=configuration.jobs, folders=configuration.folders)
    front = Front(configuration, doors=doors, pool=pool, post=post, jobs=jobs, clerks=clerks)
    return front


def _connection(configuration: Configuration, doors: Doors, stack: ExitStack) -> Connection:
    """Bind the endpoints and say how to reach them; for other machines in a connection file of its own."""
    control, pixels = doors.local()
    here = Connection(control, pixels, pid=os.getpid(), version=VERSION, started=new_start())
    if configuration.tcp is not None:
        key = curve.load_key(configuration.key, folder=configuration.keys)
        where = doors.network(configuration.tcp, key=key, keys=configuration.keys)
        log.info("listening on %s and %s, public key %s", *where, key.public)
        control, pixels = (_reachable(endpoint) for endpoint in where)
        path = write_connection(replace(here, control=control, pixels=pixels, server_key=key.public), path=network_file())
        stack.callback(_withdraw, path, here)
        log.info("other machines connect by a copy of %s", path)
    return here


def scratch_folder(configuration: Configuration) -> Path:
    """Return the folder of the jobs' scratch: of this queue alone, so that daemons that share a cache leave each other's in peace."""
    queue = hashlib.sha256(os.fsencode(configuration.state.resolve())).hexdigest()[:12]
    return configuration.cache / "scratch" / f"{host_name()}-{queue}"


def network_file() -> Path:
    """Return the connection file for clients on other machines."""
    return places.runtime_folder() / "network.json"


def _reachable(endpoint: str) -> str:
    """Return an endpoint that listens on every address with this machine's name in place of them."""
    return re.sub(r"^tcp://(0\.0\.0\.0|\[::\]|\*):", f"tcp://{socket.getfqdn()}:", endpoint)


def _withdraw(path: Path, connection: Connection) -> None:
    """Take the connection file away, if it is still this daemon's."""
    with suppress(VideoMatteError, OSError):
        if read_connection(path).started == connection.started:
            path.unlink()


def _remove_if_empty(folder: Path) -> None:
    """Remove the folder of shared memory, unless some client still has its own in it."""
    with suppress(OSError):
        folder.rmdir()


def _heed(front: Front) -> None:
    """Stop in peace on Ctrl-C and SIGTERM; at once the second time."""
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        front.stop(now=asked)
        asked = True

    for number in (getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):
                signal.signal(number, stop)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock that only one daemon can hold. Raises ResourceError when another has it, StorageError when it cannot be made."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.", file=str(path)) from None
    with file:
        _lock(file, path)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str], path: Path) -> None:
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        file.seek(0)
        raise ResourceError(
            f"A daemon is running already (process {file.read().strip() or 'unknown'}).",
            remedy=BESIDE,
            file=str(path),
        ) from None


def host_name() -> str:
    """Return this machine's name as a part of a path."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()).strip(".") or "host"
