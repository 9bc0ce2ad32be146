"""Every message there is. The fields of a class are the body of the message, its name is the type: ShotOpen is `shot.open`.

A class that a client sends is a Request of the reply that ends it, or a Job, which is first accepted and tells its progress.
Any request may end with Error instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Generic, Iterator, Literal, Mapping, Optional, Tuple, Type, TypeVar, Union, get_args

from .description import Description
from .errors import VideoMatteError, error_class
from .limits import FRAME, TEXT_BYTES, Count, Frame, Limits
from .pixels import Pixels, SharedPixels
from .values import Box, DeviceState, FrameRun, FrameState, JobFiles, JobState, ModelState, Stage

PROTOCOL = (1, 0)
"""Major and minor version: another major is refused, a newer minor only adds fields and messages."""


class Message:
    """Anything that is sent."""


EndT = TypeVar("EndT", bound=Message)


class Request(Message, Generic[EndT]):
    """A message of the client that ends with one reply of a known type."""


class Job(Request[EndT]):
    """A request that is accepted first, then tells its progress, then ends."""


@dataclass(frozen=True)
class Welcome(Message):
    """The daemon's answer to hello. `session` joins the pixel endpoint to this session; no `shared_folder`, no shared memory.

    `pixel_endpoint` is as the daemon calls it; a client that has a connection file believes that.
    """

    protocol: Tuple[Count, Count]
    daemon_version: str
    session: str
    limits: Limits
    abilities: Tuple[str, ...] = ()
    pixel_endpoint: str = ""
    shared_folder: Optional[str] = None


@dataclass(frozen=True)
class Pong(Message):
    """The daemon is alive."""


@dataclass(frozen=True)
class Done(Message):
    """What was asked is done and, where it changes a shot, on disk."""


@dataclass(frozen=True)
class Error(Message):
    """The end of a request that failed. `code` is stable, the rest is for people; request 0 when no request is to blame."""

    code: str
    message: str
    remedy: str = ""
    file: Optional[str] = None
    frame: Optional[Frame] = None

    @classmethod
    def of(cls, error: VideoMatteError) -> Error:
        """Return the message for an error of the tree; texts that are too long for the wire are cut."""
        frame = error.frame if error.frame is None or abs(error.frame) <= FRAME else None
        return cls(error.code, _cut(error.message), _cut(error.remedy), _cut(error.file) if error.file else None, frame)

    def exception(self) -> VideoMatteError:
        """Return the error of the tree, ready to be raised."""
        return error_class(self.code)(self.message, remedy=self.remedy, file=self.file, frame=self.frame)


@dataclass(frozen=True)
class ShotOpened(Message):
    """The daemon's name of the shot; the same folder or description has the same name after a restart."""

    shot: str
    folder: Optional[str] = None


@dataclass(frozen=True)
class JobAccepted(Message):
    """The job waits its turn; its id outlives the session and the daemon."""

    job: str


@dataclass(frozen=True)
class Progress(Message):
    """One step of a job: a frame of a stage is done, `done` of `total`; `files` carry their final names now."""

    job: str
    stage: Stage
    frame: Frame
    done: Count
    total: Count
    files: Tuple[str, ...] = ()


@dataclass(frozen=True)
class JobResult(Message):
    """What a solve came to. Frames as text (`1001-1100`); `version` is the folder of the shot's new version; `notes` are for the artist."""

    job: str
    solved: str
    kept: str
    missing: str
    seconds: float
    files: JobFiles
    notes: Tuple[str, ...] = ()
    version: Optional[str] = None


@dataclass(frozen=True)
class FrameResult(Message):
    """One frame of a shot: where its pixels are and whether they are current; no pixels where there are none yet."""

    frame: Frame
    state: FrameState
    pixels: Optional[Pixels] = None
    data_window: Optional[Box] = None
    display_window: Optional[Box] = None


@dataclass(frozen=True)
class ShotState(Message):
    """A shot as it stands. `confidence` 0 to 1 by frame; `advice`: the frames where the next key would help most, best first."""

    description: Description
    range: Optional[Tuple[Frame, Frame]]
    frames: Tuple[FrameRun, ...]
    keys: Tuple[Frame, ...]
    locked: str = ""
    version: Optional[str] = None
    confidence: Tuple[Tuple[Frame, float], ...] = ()
    advice: Tuple[Frame, ...] = ()
    jobs: Tuple[str, ...] = ()


@dataclass(frozen=True)
class JobList(Message):
    """The jobs, oldest first."""

    jobs: Tuple[JobState, ...]


@dataclass(frozen=True)
class DaemonState(Message):
    """The daemon: its process, version, seconds alive, devices, open shots, jobs, bytes of memory of all its processes."""

    pid: Count
    version: str
    uptime: float
    devices: Tuple[DeviceState, ...]
    shots: Count
    sessions: Count
    jobs: Tuple[JobState, ...]
    memory: Count


@dataclass(frozen=True)
class Released(Message):
    """The devices that gave their memory back, and those that are busy and will when they are done."""

    devices: Tuple[str, ...]
    busy: Tuple[str, ...]


@dataclass(frozen=True)
class ModelList(Message):
    """The weights."""

    models: Tuple[ModelState, ...]


@dataclass(frozen=True)
class Hello(Request[Welcome]):
    """The first message on every endpoint. `path_map` pairs a folder as the client sees it with the same as the daemon sees it.

    `session` is what the welcome of the control endpoint said; it is given on the pixel endpoint only.
    """

    client: str
    protocol: Tuple[Count, Count] = PROTOCOL
    path_map: Tuple[Tuple[str, str], ...] = ()
    session: Optional[str] = None


@dataclass(frozen=True)
class Ping(Request[Pong]):
    """Ask for a sign of life."""


@dataclass(frozen=True)
class ShotOpen(Request[ShotOpened]):
    """Open or begin a shot folder; without a folder, a loose shot whose results are named by the description's `out`."""

    description: Description
    folder: Optional[str] = None


@dataclass(frozen=True)
class ShotKey(Request[Done]):
    """Set or remove the key of a frame; its trimap is written into the shot before the reply."""

    shot: str
    frame: Frame
    action: Literal["set", "remove"]
    pixels: Optional[Pixels] = None
    channel: Optional[str] = None


@dataclass(frozen=True)
class ShotFrame(Request[Done]):
    """Give pixels of a frame, for hosts without files; they are written into the shot before the reply."""

    shot: str
    frame: Frame
    pixels: Pixels
    what: Literal["plate", "trimap", "garbage", "holdout"] = "plate"
    colorspace: str = "auto"
    data_window: Optional[Box] = None
    display_window: Optional[Box] = None
    pixel_aspect: float = 1.0


@dataclass(frozen=True)
class ShotSolve(Job[JobResult]):
    """Solve what is not solved or stale of these frames, or of the whole shot."""

    shot: str
    frames: Optional[str] = None


@dataclass(frozen=True)
class ShotPreview(Job[FrameResult]):
    """Solve one frame quickly. A newer preview of the same shot takes the place of this one while it waits."""

    shot: str
    frame: Frame
    profile: str = "draft"
    how: Literal["path", "inline", "shared"] = "path"
    into: Optional[SharedPixels] = None


@dataclass(frozen=True)
class ShotStatus(Request[ShotState]):
    """Ask how a shot stands, all of it or some frames."""

    shot: str
    frames: Optional[str] = None


@dataclass(frozen=True)
class ShotLock(Request[Done]):
    """Lock frames, so that they are never written again, or unlock them."""

    shot: str
    frames: str
    locked: bool = True


@dataclass(frozen=True)
class ShotResult(Request[FrameResult]):
    """Ask for the pixels of a frame: as a path, inline (on the pixel endpoint), or written into shared memory."""

    shot: str
    frame: Frame
    kind: Literal["alpha", "trimap", "foreground"] = "alpha"
    how: Literal["path", "inline", "shared"] = "path"
    into: Optional[SharedPixels] = None


@dataclass(frozen=True)
class ShotClose(Request[Done]):
    """Forget a shot; its files and its jobs stay."""

    shot: str


@dataclass(frozen=True)
class JobCancel(Request[Done]):
    """Cancel a job; what is solved stays solved, and the job's own request ends with an error."""

    job: str


@dataclass(frozen=True)
class JobFollow(Job[Union[JobResult, FrameResult]]):
    """Hear of a job again, after a restart or from another session."""

    job: str


@dataclass(frozen=True)
class Jobs(Request[JobList]):
    """Ask for the jobs that wait or run; with `all`, those that ended too."""

    all: bool = False


@dataclass(frozen=True)
class DaemonStatus(Request[DaemonState]):
    """Ask how the daemon is."""


@dataclass(frozen=True)
class DaemonRelease(Request[Released]):
    """Give device memory back now; busy devices do when their task is done."""


@dataclass(frozen=True)
class DaemonShutdown(Request[Done]):
    """Stop the daemon when the running frames are written, or at once; queued jobs are taken up at its next start."""

    now: bool = False


@dataclass(frozen=True)
class Models(Request[ModelList]):
    """Ask for the weights."""


def type_name(message: Type[Message]) -> str:
    """Return the type of a message as the wire names it: ShotOpen is `shot.open`."""
    return ".".join(word.lower() for word in re.findall("[A-Z][a-z]*", message.__name__))


@lru_cache(maxsize=None)
def message_types() -> Mapping[str, Type[Message]]:
    """Return every message class by its type."""
    abstract = (Message, Request, Job)
    return MappingProxyType({type_name(cls): cls for cls in _below(Message) if cls not in abstract})


def ends_of(request: Type[Message]) -> Tuple[Type[Message], ...]:
    """Return the replies, besides Error, that end a request of this class."""
    (end,) = get_args(vars(request)["__orig_bases__"][0])
    return get_args(end) or (end,)


def _below(cls: Type[Message]) -> Iterator[Type[Message]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _below(child)


def _cut(text: str) -> str:
    """Return the text, or its beginning when the whole does not fit."""
    raw = text.encode("utf-8", "replace")
    return raw.decode() if len(raw) <= TEXT_BYTES else raw[: TEXT_BYTES - 3].decode("utf-8", "ignore") + "…"
