"""What clients say about shots, answered. Work on disk is a clerk's, one shot's after the other in the order it was asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.failures import explained
from bridge.shot.plan import planned
from bridge.shot.request import request_of
from bridge.wire import messages as wire
from bridge.wire.description import Description
from bridge.wire.errors import UnknownShotError
from bridge.wire.mapping import PathMap

from .configuration import Configuration
from .guard import Guard
from .post import Clerks
from .sessions import Peer

if TYPE_CHECKING:
    from .jobs import Jobs

MOST = 1024  # shots that are remembered; one more forgets the one that was not spoken of for longest


@dataclass(frozen=True)
class Shot:
    """A shot somebody opened: a folder, or loose, named by what its results are."""

    id: str
    description: Description
    folder: str | None = None


class Shots:
    """The shots that clients opened."""

    def __init__(self, jobs: Jobs, *, clerks: Clerks, configuration: Configuration) -> None:
        self._jobs, self._clerks, self._configuration = jobs, clerks, configuration
        self._shots: OrderedDict[str, Shot] = OrderedDict()

    def __len__(self) -> int:
        return len(self._shots)

    def answers(self) -> Mapping[type[wire.Message], Callable[..., None]]:
        """Return what answers each message about a shot."""
        return {
            wire.ShotOpen: self._open,
            wire.ShotSolve: self._solve,
            wire.ShotClose: self._close,
        }

    def guard(self, peer: Peer) -> Guard:
        """Return what a client may name."""
        session = peer.session
        folders = None if not peer.door.secure else tuple(Path(os.path.realpath(f)) for f in self._configuration.folders)
        return Guard(session.path_map if session else PathMap(), folders)

    def _open(self, peer: Peer, request: int, asked: wire.ShotOpen, _: object) -> None:
        guard = self.guard(peer)
        folder = guard.path(asked.folder) if asked.folder else None
        description = guard.description(asked.description)

        def work() -> Shot:
            guard.files(description)
            if folder is None:
                planned(request_of(description))
            return Shot(shot_id(description, folder), description, folder)

        def then(shot: Shot) -> None:
            self._remember(shot)
            seen = peer.session.path_map.to_client(shot.folder) if shot.folder and peer.session else shot.folder
            peer.say(wire.ShotOpened(shot.id, seen), request=request)

        self._ask(shot_id(description, folder), work, then, peer, request)

    def _solve(self, peer: Peer, request: int, asked: wire.ShotSolve, _: object) -> None:
        shot = self._shot(asked.shot)
        self._ask(shot.id, lambda: None, lambda _: self._jobs.solve(shot, asked.frames, peer=peer, request=request), peer, request)

    def _close(self, peer: Peer, request: int, asked: wire.ShotClose, _: object) -> None:
        self._shots.pop(self._shot(asked.shot).id)
        peer.say(wire.Done(), request=request)

    def _ask(self, strand: str, work: Callable[[], Any], then: Callable[[Any], None], peer: Peer, request: int) -> None:
        """Have a clerk do the work and go on with what it finds; an error of either ends the request."""

        def failed(error: BaseException) -> None:
            peer.fail(explained(error), request=request)

        def carried_on(found: Any) -> None:
            try:
                then(found)
            except Exception as error:
                failed(error)

        self._clerks.ask(strand, work, then=carried_on, otherwise=failed)

    def _shot(self, name: str) -> Shot:
        """Return an open shot. Raises UnknownShotError."""
        if name not in self._shots:
            raise UnknownShotError(f"The shot {name} is not open.", remedy="Open it first; the daemon may have been started anew.")
        self._shots.move_to_end(name)
        return self._shots[name]

    def _remember(self, shot: Shot) -> None:
        self._shots[shot.id] = shot
        while len(self._shots) > MOST:
            self._shots.popitem(last=False)


def shot_id(description: Description, folder: str | None) -> str:
    """Return the name of a shot: the same for the same folder, or for a loose shot for the same description."""
    named = os.path.realpath(folder) if folder else json.dumps(asdict(description), sort_keys=True)
    return hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
