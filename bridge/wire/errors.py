"""Every error a person can meet, as one tree.

    VideoMatteError
    ├── UsageError              2   the command or request makes no sense as typed
    ├── InputError              3   something the artist gave cannot be used
    │   ├── SequenceError           a pattern, a range, a missing frame
    │   ├── ImageError              a file that is damaged, deep, sub-sampled, of an unknown kind
    │   ├── WindowError             sizes or windows that do not fit each other
    │   ├── TrimapError             a trimap that cannot guide a matte
    │   ├── ColourError             a colour space that is not known
    │   └── ForeignFileError        a file in the way that is not ours to replace
    ├── ResourceError           4   the machine cannot do it now
    │   ├── StorageError            full disk, no permission, a failed verification
    │   ├── MemoryExhaustedError    no memory left on the device or the machine
    │   ├── DeviceError             a device that is absent or broken
    │   └── WeightsError            weights that are absent or not the ones expected
    ├── DaemonUnreachableError  5   nobody answers at the address
    ├── InterruptedByUserError 130  Ctrl-C
    └── TerminatedError        143  SIGTERM

The number is the exit status of the command line. Each class has a stable code for machines, a message that names file, frame
and number, and a remedy an artist can act on.
"""

from __future__ import annotations

from typing import ClassVar, Optional


class VideoMatteError(Exception):
    """Say what went wrong, where, and what to do about it."""

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


class DaemonUnreachableError(VideoMatteError):
    """Nobody answers at the address."""

    code = "daemon.unreachable"
    exit_status = 5


class InterruptedByUserError(VideoMatteError):
    """Ctrl-C."""

    code = "interrupted"
    exit_status = 130


class TerminatedError(VideoMatteError):
    """SIGTERM."""

    code = "terminated"
    exit_status = 143
