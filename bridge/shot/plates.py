"""The plates of a shot as stages see them: read, checked against the shot's display window, turned into the network's view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.colour import resolve
from bridge.imaging.view import ViewTransform
from bridge.sequence import Sequence
from bridge.window import Window
from bridge.wire.errors import VideoMatteError, WindowError

from .inputs import Inputs

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Plate:
    """One frame of the plate on its own data window. rgb: H×W×3 float16 or float32, the plate's own numbers, unclipped."""

    frame: int
    header: exr.Header
    rgb: NDArray[Any]

    @property
    def window(self) -> Window:
        return self.header.data_window


@contextmanager
def at(frame: int) -> Iterator[None]:
    """Let errors that are raised inside carry the frame they are about."""
    try:
        yield
    except VideoMatteError as error:
        error.frame = frame if error.frame is None else error.frame
        raise


class Plates:
    """A plate sequence with one fixed colour transform and one display window."""

    def __init__(
        self,
        sequence: Sequence,
        *,
        layer: str | None = None,
        view: str | None = None,
        colorspace: str = "auto",
        inputs: Inputs | None = None,
    ) -> None:
        """Look at the first frame there is and fix the shot's colour and display window by it. `inputs` names and reads the files.

        Raises SequenceError, ImageError or ColourError.
        """
        self.sequence, self.layer, self.view_name = sequence, layer, view
        self.frames = sequence.frames()
        self.inputs = inputs or Inputs()
        self._digests: dict[int, str] = {}
        self._names_first = True
        first = exr.read_header(sequence.path(self.frames[0]), view=view, layer=layer)
        self.display: Window = first.display_window
        resolved = resolve(colorspace, first.colour_hints, is_float=first.is_float)
        self.space, self.warning = resolved.space, resolved.warning
        self.transform = ViewTransform(self.space)

    @property
    def linear(self) -> bool:
        """Whether colours of this plate mix in scene-linear light."""
        return self.space.mixes_linear

    def glanced(self) -> Plates:
        """Return these plates for a look from which nothing lands under a name: their bytes are not looked at before they are read."""
        found = copy(self)
        found._names_first = False
        return found

    def header(self, frame: int) -> exr.Header:
        """Read the header of a frame. Raises ImageError, WindowError, ShotError."""
        path = self.sequence.path(frame)
        with at(frame):
            header = self.inputs.read(path, lambda: exr.read_header(path, view=self.view_name, layer=self.layer), frame=frame)
        self._check(header, frame)
        return header

    def read(self, frame: int) -> Plate:
        """Read and decode a frame. Raises ImageError, WindowError; ShotError when it no longer holds the bytes that `digest` names."""
        path = self.sequence.path(frame)
        if self._names_first:
            self.digest(frame)
        with at(frame):
            plate = self.inputs.read(path, lambda: exr.read_plate(path, view=self.view_name, layer=self.layer), frame=frame)
        self._check(plate.header, frame)
        return Plate(frame, plate.header, plate.rgb)

    def digest(self, frame: int) -> str:
        """Return the digest of a plate file's bytes, read once. Raises ImageError."""
        if frame not in self._digests:
            self._digests[frame] = self.inputs(self.sequence.path(frame), frame=frame)
        return self._digests[frame]

    def _check(self, header: exr.Header, frame: int) -> None:
        if header.display_window != self.display:
            first = self.sequence.path(self.frames[0]).name
            raise WindowError(
                f"{header.path}: the display window of frame {frame} is {header.display_window}, that of {first} is {self.display}.",
                remedy="Reformat the plate to one display window, or solve the parts as separate shots.",
                file=str(header.path),
                frame=frame,
            )
