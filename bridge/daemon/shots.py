"""What clients say about shots, answered. Work on disk is a clerk's, one shot's after the other in the order it was asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bridge.failures import explained
from bridge.sequence import parse_range
from bridge.shot.folder import Shot
from bridge.shot.plan import planned
from bridge.shot.request import request_of
from bridge.shot.states import standing
from bridge.wire import messages as wire
from bridge.wire.description import Description
from bridge.wire.errors import UnknownShotError, UsageError
from bridge.wire.mapping import PathMap
from bridge.wire.pixels import FilePixels, InlinePixels, SharedPixels
from bridge.wire.shared import SharedFiles

from . import given, results
from .configuration import Configuration
from .guard import PATHS, Guard
from .pictures import not_shared, taken
from .post import Clerks
from .sessions import Peer, Session

if TYPE_CHECKING:
    from .jobs import Jobs

MOST = 1024  # shots that are remembered; one more forgets the one that was not spoken of for longest
Parts = tuple[memoryview, ...]


@dataclass(frozen=True)
class Opened:
    """A shot somebody opened: a folder, or loose, named by what its results are."""

    id: str
    description: Description
    folder: str | None = None

    def on_disk(self) -> Shot:
        """Return the shot folder. Raises UsageError for a loose shot, ShotError."""
        if self.folder is None:
            raise UsageError("This shot has no folder.", remedy="Open it with a folder, NAME.vmatte, which keeps keys, locks and versions.")
        return Shot.open(self.folder)


class Shots:
    """The shots that clients opened."""

    def __init__(self, jobs: Jobs, *, clerks: Clerks, configuration: Configuration) -> None:
        self._jobs, self._clerks, self._configuration = jobs, clerks, configuration
        self._shots: OrderedDict[str, Opened] = OrderedDict()
        self._users: dict[str, WeakKeyDictionary[Session, Opened]] = {}
        self._memory = SharedFiles(configuration.shared)
        self._folders = tuple(Path(os.path.realpath(folder)) for folder in configuration.folders)

    def __len__(self) -> int:
        return len(self._shots)

    def answers(self) -> Mapping[type[wire.Message], Callable[..., None]]:
        """Return what answers each message about a shot."""
        return {
            wire.ShotOpen: self._open,
            wire.ShotKey: self._key,
            wire.ShotFrame: self._frame,
            wire.ShotSolve: self._solve,
            wire.ShotPreview: self._preview,
            wire.ShotStatus: self._status,
            wire.ShotLock: self._lock,
            wire.ShotResult: self._result,
            wire.ShotClose: self._close,
        }

    def _open(self, peer: Peer, request: int, asked: wire.ShotOpen, _: Parts) -> None:
        guard = self._guard(peer)

        def work() -> Opened:
            description = guard.description(asked.description, in_folder=bool(asked.folder))
            guard.files(description)
            if not asked.folder:
                planned(request_of(description))
                return Opened(shot_id(description, None), description)
            folder = guard.path(asked.folder)
            guard.links(Path(folder))
            shot = Shot.ready(folder, replace(description, device="auto"))
            guard.files(shot.description)
            return Opened(shot_id(description, str(shot.folder)), description, str(shot.folder))

        def then(shot: Opened) -> None:
            self._remember(shot, peer)
            peer.say(wire.ShotOpened(shot.id, _seen(peer, shot.folder)), request=request)

        self._ask(asked.folder or shot_id(asked.description, None), work, then, peer, request)

    def _key(self, peer: Peer, request: int, asked: wire.ShotKey, parts: Parts) -> None:
        shot, guard = self._shot(asked.shot, peer), self._guard(peer)

        def work() -> None:
            pixels, frame = asked.pixels, asked.frame
            if asked.action == "remove":
                shot.on_disk().remove_key(frame)
            elif isinstance(pixels, FilePixels):
                shot.on_disk().set_key(frame, guard.path(pixels.path), channel=asked.channel or pixels.channel)
            elif pixels is not None:
                found = self._taken(pixels, parts, peer)
                shot.on_disk().set_key_pixels(frame, given.one_channel(found, asked.channel))
            else:
                raise UsageError("A key is set from pixels, and none came.", remedy="Give a file, or pixels.", frame=frame)

        self._done(shot, work, peer, request)

    def _frame(self, peer: Peer, request: int, asked: wire.ShotFrame, parts: Parts) -> None:
        shot, pixels = self._shot(asked.shot, peer), asked.pixels
        if isinstance(pixels, FilePixels):
            raise UsageError("Frames in files need not be given: open the shot with their pattern.", frame=asked.frame)
        self._done(shot, lambda: given.write_frame(shot.on_disk(), asked, self._taken(pixels, parts, peer)), peer, request)

    def _solve(self, peer: Peer, request: int, asked: wire.ShotSolve, _: Parts) -> None:
        shot = self._shot(asked.shot, peer)

        def then(_: None) -> None:
            self._jobs.solve(shot, asked.frames, peer=peer, request=request)

        self._ask(shot.id, lambda: self._judge(shot, peer), then, peer, request)

    def _preview(self, peer: Peer, request: int, asked: wire.ShotPreview, _: Parts) -> None:
        shot = self._shot(asked.shot, peer)
        if asked.how == "shared" and asked.into is None:
            raise UsageError("A preview into shared memory needs to know where.", frame=asked.frame)
        if asked.how == "shared" and peer.door.secure:
            raise not_shared()
        home = Path(shot.folder) / "preview" if shot.folder else self._jobs.previews / shot.id
        path = home / f"preview.{asked.frame:04d}.exr"
        into = asdict(asked.into) if asked.how == "shared" and asked.into else None
        order = {"frame": asked.frame, "profile": asked.profile, "into": into, "path": str(path)}

        def answer(found: Mapping[str, Any], peer: Peer, request: int) -> None:
            boxes = {name: tuple(found[name]) for name in ("data_window", "display_window")}
            made = wire.FrameResult(asked.frame, "unsolved", asked.into, **boxes) if into else None
            if made is not None:
                return peer.say(made, request=request)
            where = results.Where(path, "matte", "unsolved")
            self._ask(shot.id, lambda: results.read(where, asked, shared=None), self._sent(peer, request), peer, request)

        def work() -> None:
            self._judge(shot, peer)
            home.mkdir(parents=True, exist_ok=True)

        def then(_: None) -> None:
            self._jobs.preview(shot, order=order, answer=answer, peer=peer, request=request)

        self._ask(shot.id, work, then, peer, request)

    def _status(self, peer: Peer, request: int, asked: wire.ShotStatus, _: Parts) -> None:
        shot, guard = self._shot(asked.shot, peer), self._guard(peer)

        def work() -> wire.ShotState:
            if shot.folder is not None:
                guard.check(Path(shot.folder), named=shot.folder)
            frames = parse_range(asked.frames) if asked.frames else None
            return results.state_of(shot.description, frames) if shot.folder is None else standing(shot.on_disk(), frames=frames).message()

        def then(state: wire.ShotState) -> None:
            told = replace(state, version=_seen(peer, state.version), jobs=self._jobs.of(shot.id))
            peer.say(replace(told, description=_mapped(peer, state.description)), request=request)

        self._ask(shot.id, work, then, peer, request)

    def _lock(self, peer: Peer, request: int, asked: wire.ShotLock, _: Parts) -> None:
        shot = self._shot(asked.shot, peer)

        def work() -> None:
            found = shot.on_disk()
            (found.lock if asked.locked else found.unlock)(parse_range(asked.frames))

        self._done(shot, work, peer, request)

    def _result(self, peer: Peer, request: int, asked: wire.ShotResult, _: Parts) -> None:
        shot, guard = self._shot(asked.shot, peer), self._guard(peer)
        shared = None if peer.door.secure else self._memory

        def work() -> results.Found:
            where = results.of_loose(shot.description, asked) if shot.folder is None else results.of_folder(shot.on_disk(), asked)
            guard.check(where.path, named=str(where.path))
            return results.read(where, asked, shared=shared)

        self._ask(shot.id, work, self._sent(peer, request), peer, request)

    def _close(self, peer: Peer, request: int, asked: wire.ShotClose, _: Parts) -> None:
        """Forget a shot when the last that opened it closes it; a host that closes it takes it from no other."""
        shot, users = self._shot(asked.shot, peer), self._users.get(asked.shot, WeakKeyDictionary())
        if peer.session is not None:
            users.pop(peer.session, None)
            peer.session.shots.discard(shot.id)
        if not users:
            self._forget(shot.id)
        peer.say(wire.Done(), request=request)

    def _guard(self, peer: Peer) -> Guard:
        """Return what a client may name."""
        return Guard(peer.session.path_map if peer.session else PathMap(), self._folders if peer.door.secure else None)

    def _judge(self, shot: Opened, peer: Peer) -> None:
        """Judge again what a shot means to a client. Raises NotAllowedError, ShotError."""
        self._guard(peer).shot(shot.folder, shot.description)

    def _taken(self, pixels: InlinePixels | SharedPixels, parts: Parts, peer: Peer) -> Any:
        shared = None if peer.door.secure else self._memory
        return taken(pixels, parts, shared=shared, most=self._configuration.pixels)

    def _sent(self, peer: Peer, request: int) -> Callable[[results.Found], None]:
        def send(found: results.Found) -> None:
            pixels = found.result.pixels
            if isinstance(pixels, FilePixels):
                pixels = replace(pixels, path=_seen(peer, pixels.path) or pixels.path)
            peer.say(replace(found.result, pixels=pixels), request=request, parts=found.parts)

        return send

    def _done(self, shot: Opened, work: Callable[[], None], peer: Peer, request: int) -> None:
        def judged() -> None:
            self._judge(shot, peer)
            work()

        self._ask(shot.id, judged, lambda _: peer.say(wire.Done(), request=request), peer, request)

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

    def _shot(self, name: str, peer: Peer) -> Opened:
        """Return an open shot as this client opened it, else as the last one did that opened it. Raises UnknownShotError."""
        if name not in self._shots:
            raise UnknownShotError(f"The shot {name} is not open.", remedy="Open it first; the daemon may have been started anew.")
        self._shots.move_to_end(name)
        users = self._users.get(name)
        own = users.get(peer.session) if users is not None and peer.session is not None else None
        return own or self._shots[name]

    def _remember(self, shot: Opened, peer: Peer) -> None:
        self._shots[shot.id] = shot
        self._shots.move_to_end(shot.id)
        if peer.session is not None:
            self._users.setdefault(shot.id, WeakKeyDictionary())[peer.session] = shot
        while len(self._shots) > MOST:
            self._forget(next(iter(self._shots)))

    def _forget(self, name: str) -> None:
        self._shots.pop(name, None)
        self._users.pop(name, None)


def shot_id(description: Description, folder: str | None) -> str:
    """Return the name of a shot: the same for the same folder, or for a loose shot for the same description."""
    named = os.path.realpath(folder) if folder else json.dumps(asdict(description), sort_keys=True)
    return hashlib.blake2b(named.encode(), digest_size=8).hexdigest()


def _seen(peer: Peer, path: str | None) -> str | None:
    """Return a path as the client sees it."""
    return peer.session.path_map.to_client(path) if path and peer.session else path


def _mapped(peer: Peer, description: Description) -> Description:
    named: dict[str, Any] = {name: _seen(peer, getattr(description, name)) for name in PATHS}
    return replace(description, **named)
