"""The trimaps of a shot between the stages: classes H×W uint8 on each plate's data window, found again by what names their content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.canvas import place
from bridge.imaging.trimap import classify, to_values
from bridge.shot.outputs import CONTENT, Output, State
from bridge.shot.plates import Plates, at
from bridge.wire.errors import ShotError

from .scratch import Scratch

Classes = NDArray[np.uint8]
CONFIDENCE = "confidence"  # the provenance attribute: how sure stage 1 was of a trimap, 0..1


class Trimaps(Protocol):
    """Where stage 1 leaves trimaps and stage 2 finds them."""

    def land(self, frame: int, classes: Classes, *, confidence: float = 1.0) -> None:
        """Keep a frame's classes. Raises StorageError."""

    def __call__(self, frame: int) -> Classes:
        """Return a frame's classes. Raises ShotError for a frame that was not propagated from what is on disk now."""

    def __contains__(self, frame: int) -> bool:
        """Tell whether a frame's classes are there, made from what is on disk now."""


class ScratchTrimaps:
    """Trimaps in a scratch folder, for a solve without a shot folder."""

    def __init__(self, scratch: Scratch, *, name: Callable[[int], str] = str) -> None:
        """name: what names the content of a frame's trimap."""
        self._scratch, self._name = scratch, name

    def land(self, frame: int, classes: Classes, *, confidence: float = 1.0) -> None:
        self._scratch.write(f"trimap.{self._name(frame)}", classes)

    def __call__(self, frame: int) -> Classes:
        try:
            return self._scratch.read(f"trimap.{self._name(frame)}")
        except KeyError:
            raise _lacking(frame) from None

    def __contains__(self, frame: int) -> bool:
        return f"trimap.{self._name(frame)}" in self._scratch


class LandedTrimaps:
    """Trimaps as the EXR files of a shot folder, 0, 0.5 and 1, where an artist can look at them and another machine goes on."""

    def __init__(self, output: Output, plates: Plates, *, attributes: Callable[[int], dict[str, str]]) -> None:
        """attributes: the provenance of a frame's trimap besides its content key and confidence."""
        self._output, self._plates, self._attributes = output, plates, attributes

    def land(self, frame: int, classes: Classes, *, confidence: float = 1.0) -> None:
        if frame in self:
            return
        facts = {**self._attributes(frame), CONTENT: self._output.key(frame), CONFIDENCE: f"{confidence:.3f}"}
        with at(frame):
            exr.write_trimap(self._output.files.path(frame), to_values(classes), like=self._plates.header(frame), attributes=facts)

    def __call__(self, frame: int) -> Classes:
        if frame not in self:
            raise _lacking(frame)
        found = exr.read_channel(self._output.files.path(frame))
        return classify(place(found.values, of=found.header.data_window, into=self._plates.header(frame).data_window))

    def __contains__(self, frame: int) -> bool:
        return self._output.state(frame) is State.CURRENT


def _lacking(frame: int) -> ShotError:
    return ShotError(
        f"The trimap of frame {frame} is not there: a key, a plate or a setting was changed since the solve began.",
        remedy="Solve again; what is finished is kept.",
    )
