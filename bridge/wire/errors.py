"""Every error a person can meet, as one tree.

    VideoMatteError
    ├── UsageError              2   the command or request makes no sense as typed
    ├── InputError              3   something the artist gave cannot be used
    │   ├── SequenceError           a pattern, a range, a missing frame
    │   ├── ImageError              a file that is damaged, deep, sub-sampled, of an unknown kind
    │   ├── WindowError             sizes or windows that do not fit each other
    │   ├── TrimapError             a trimap that cannot guide a matte
    │   ├── ColourError             a colour space that is not known
    │   ├── ForeignFileError        a file in the way that is not ours to replace
    │   ├── ShotError               a folder that is no shot, a damaged or newer one
    │   ├── NotAllowedError         a path, key or file that this client may not use
    │   ├── UnknownShotError        a shot that is not open
    │   └── UnknownJobError         a job that the daemon does not know
    ├── ResourceError           4   the machine cannot do it now
    │   ├── StorageError            full disk, no permission, a failed verification
    │   ├── MemoryExhaustedError    no memory left on the device or the machine
    │   ├── DeviceError             a device that is absent or broken
    │   ├── WeightsError            weights that are absent or not the ones expected
    │   ├── WorkerDiedError         a worker that died on a task, again and again
    │   └── LimitError              too many or too large
    ├── DaemonUnreachableError  5   nobody answers at the address
    ├── ProtocolError           5   client and daemon do not understand each other
    │   ├── LocalProtocolError      this side was about to say something that is not allowed
    │   └── RemoteProtocolError     the other side said something that is not allowed
    │       ├── VersionError        it speaks another major version
    │       ├── UnknownMessageError a message of a type that is not known here
    │       └── NotGreetedError     a request before hello, or after the daemon was started anew
    ├── JobEndedError          130  a job that ended without a result, though nothing is wrong
    │   ├── CancelledError          somebody cancelled it
    │   └── ReplacedError           a newer preview took its place
    ├── InterruptedByUserError 130  Ctrl-C
    └── TerminatedError        143  SIGTERM

The number is the exit status of the command line. Each class has a stable code for machines, a message that names file, frame
and number, and a remedy an artist can act on.
"""

from __future__ import annotations

from typing import ClassVar, Dict, Iterator, Optional, Type


class VideoMatteError(Exception):
    """Something went wrong inside videomatte; below it stand the errors that say what, where, and what to do about it."""

    code: ClassVar[str] = "internal"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "", file: Optional[str] = None, frame: Optional[int] = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.file = file
        self.frame = frame

    def __str__(self) -> str:
        return self.message + (f"\n  {self.remedy}" if self.remedy else "")


class UsageError(VideoMatteError):
    """The command or request makes no sense as typed."""

    code = "usage"
    exit_status = 2


class InputError(VideoMatteError):
    """Something the artist gave cannot be used."""

    code = "input"
    exit_status = 3


class SequenceError(InputError):
    """A pattern that matches nothing, a range that cannot be read, a frame that is missing."""

    code = "input.sequence"


class ImageError(InputError):
    """A file that is damaged, deep, chroma-subsampled or of an unknown kind."""

    code = "input.image"


class WindowError(InputError):
    """Sizes or windows that do not fit each other."""

    code = "input.window"


class TrimapError(InputError):
    """A trimap that cannot guide a matte."""

    code = "input.trimap"


class ColourError(InputError):
    """A colour space that is not known."""

    code = "input.colour"


class ForeignFileError(InputError):
    """A file in the way that is not ours to replace."""

    code = "input.foreign_file"


class ShotError(InputError):
    """A folder that is no shot, or a shot that is damaged or written by a newer version."""

    code = "input.shot"


class NotAllowedError(InputError):
    """A path, key or file that this client may not use."""

    code = "not_allowed"


class UnknownShotError(InputError):
    """A shot that is not open."""

    code = "unknown.shot"


class UnknownJobError(InputError):
    """A job that the daemon does not know."""

    code = "unknown.job"


class ResourceError(VideoMatteError):
    """The machine cannot do it now."""

    code = "resource"
    exit_status = 4


class StorageError(ResourceError):
    """A full disk, a folder without permission, a file that reads back differently."""

    code = "resource.storage"


class MemoryExhaustedError(ResourceError):
    """No memory left on the device or the machine."""

    code = "resource.memory"


class DeviceError(ResourceError):
    """A device that is absent or broken."""

    code = "resource.device"


class WeightsError(ResourceError):
    """Weights that are absent or not the ones expected."""

    code = "resource.weights"


class WorkerDiedError(ResourceError):
    """A worker that died on a task, again and again."""

    code = "resource.worker"


class LimitError(ResourceError):
    """Too many sessions, jobs or requests, or something that is too large."""

    code = "limit"


class DaemonUnreachableError(VideoMatteError):
    """Nobody answers at the address."""

    code = "daemon.unreachable"
    exit_status = 5


class ProtocolError(VideoMatteError):
    """Client and daemon do not understand each other. `request` is the id of the message to blame, 0 when it has none."""

    code = "protocol"
    exit_status = 5

    def __init__(
        self, message: str, *, remedy: str = "", file: Optional[str] = None, frame: Optional[int] = None, request: int = 0
    ) -> None:
        super().__init__(message, remedy=remedy, file=file, frame=frame)
        self.request = request


class LocalProtocolError(ProtocolError):
    """This side was about to say something that is not allowed."""


class RemoteProtocolError(ProtocolError):
    """The other side said something that is not allowed."""


class VersionError(RemoteProtocolError):
    """The other side speaks another major version of the protocol."""

    code = "protocol.version"


class UnknownMessageError(RemoteProtocolError):
    """A message of a type that is not known here."""

    code = "protocol.unknown"


class NotGreetedError(RemoteProtocolError):
    """A request before hello, or after the daemon was started anew."""

    code = "protocol.hello"


class JobEndedError(VideoMatteError):
    """A job that ended without a result, though nothing is wrong."""

    code = "job"
    exit_status = 130


class CancelledError(JobEndedError):
    """Somebody cancelled the job."""

    code = "job.cancelled"


class ReplacedError(JobEndedError):
    """A newer preview took the place of this one."""

    code = "job.replaced"


class InterruptedByUserError(VideoMatteError):
    """Ctrl-C."""

    code = "interrupted"
    exit_status = 130


class TerminatedError(VideoMatteError):
    """SIGTERM."""

    code = "terminated"
    exit_status = 143


def every_error(root: Type[VideoMatteError] = VideoMatteError) -> Iterator[Type[VideoMatteError]]:
    """Yield the tree from a class down, parents first."""
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)


def error_class(code: str) -> Type[VideoMatteError]:
    """Return the class of a code; of one that a newer daemon knows and we do not, its family: `input.future` is an InputError."""
    known: Dict[str, Type[VideoMatteError]] = {}
    for kind in every_error():
        known.setdefault(kind.code, kind)
    while code not in known and "." in code:
        code = code.rpartition(".")[0]
    return known.get(code, VideoMatteError)
