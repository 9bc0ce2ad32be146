"""Task propagate(segment): plates of a segment and its bounding keys in, the trimap of every frame in it out.

A head or tail is one pass outwards from its key. A span is two passes, forward and backward, each with both keys as references and a
memory of its own; they are fused by distance and certainty. The forward pass waits in scratch as 8-bit probabilities.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bridge.imaging.resample import resized
from bridge.models.layers import NARROWEST
from bridge.models.propagation import CERTAIN, COARSEST, STRIDE, Memory, PropagationNetwork, calibrated, certain_classes, token_places
from bridge.shot.plates import Plate, Plates
from bridge.shot.profile import MEMORY_EVERY, MEMORY_KEPT, Profile
from bridge.shot.segments import Segment

from .engine import Engine
from .flow import ahead
from .scratch import Scratch
from .trimaps import Classes, Trimaps

LONGEST_SIDE = 960  # pixels of a working view, however far the plate reaches outside the display
ENLARGED = 2.0  # times a small plate is enlarged at most
SMALLEST_BAND = 0.01  # of a frame: what its doubt is measured against when hardly anything is unknown
Probabilities = NDArray[np.uint8]


@dataclass(frozen=True)
class Working:
    """A plate at stage 1's working size: view 1×3×H×W padded to multiples of 32, the size that is real, the tokens' places."""

    frame: int
    view: Tensor
    size: tuple[int, int]
    full: tuple[int, int]
    place: Tensor


class Propagator:
    """Stage 1 on one shot."""

    def __init__(self, network: PropagationNetwork, *, engine: Engine, profile: Profile, plates: Plates, trimaps: Trimaps) -> None:
        self._network, self._engine, self._profile = network, engine, profile
        self._plates, self._trimaps = plates, trimaps

    def propagate(self, segment: Segment, *, scratch: Scratch, tick: Callable[[int], None]) -> None:
        """Land the trimap of every frame of a segment; `tick` with the frame, once per frame and pass.

        Reads the trimaps of the bounding keys; spills the first of two passes to `scratch`. Raises ImageError, WindowError, StorageError.
        """
        with torch.inference_mode():
            references = [self._key_memory(k) for k in segment.keys]
            if len(references) == 1:
                self._outwards(segment, references, tick)
            else:
                self._both_ways(segment, references, scratch, tick)

    def _outwards(self, segment: Segment, references: list[Memory], tick: Callable[[int], None]) -> None:
        for working, probabilities in self._pass(segment.outwards, references, segment.keys[0]):
            self._land(working, probabilities, doubt=entropy(probabilities))
            tick(working.frame)

    def _both_ways(self, segment: Segment, references: list[Memory], scratch: Scratch, tick: Callable[[int], None]) -> None:
        before, after = segment.keys
        for working, probabilities in self._pass(segment.frames, references, before):
            scratch.write(f"forward.{working.frame}", (probabilities[0].cpu() * 255.0).round().to(torch.uint8).numpy())
            tick(working.frame)
        for working, backward in self._pass(segment.frames[::-1], references, after):
            name = f"forward.{working.frame}"
            forward = torch.from_numpy(scratch.read(name).astype(np.float32) / 255.0).to(backward)[None]
            share = (after - working.frame) / (after - before)
            both = fused(forward, backward, share=share)
            self._land(working, both, doubt=torch.maximum(entropy(both), disagreement(forward, backward)))
            scratch.remove(name)
            tick(working.frame)

    def _pass(self, order: Sequence[int], references: list[Memory], start: int) -> Iterator[tuple[Working, Tensor]]:
        """Walk frames in order; yield each with its probabilities 1×3×H×W, padding included. Every Nth from `start` is remembered."""
        memory: deque[Memory] = deque(maxlen=MEMORY_KEPT)
        with closing(ahead(order, lambda f: self._working(self._plates.read(f)))) as frames:
            for working in frames:
                with self._engine.autocast:
                    frame = self._network.encode(working.view, place=working.place)
                    logits = self._network.decode(frame, working.view, self._network.read(frame, references, memory))
                    probabilities = logits.float().softmax(1)
                    if abs(working.frame - start) % MEMORY_EVERY == 0:
                        memory.append(self._network.remember(frame, working.view, probabilities))
                yield working, probabilities

    def _key_memory(self, frame: int) -> Memory:
        working, classes = self._working(self._plates.read(frame)), self._trimaps(frame)
        shares = np.stack([(classes == k).astype(np.float32) for k in range(3)], -1)
        probabilities = self._padded(resized(shares, width=working.size[1], height=working.size[0]))
        with self._engine.autocast:
            return self._network.remember(self._network.encode(working.view, place=working.place), working.view, probabilities)

    def _working(self, plate: Plate) -> Working:
        display, window = self._plates.display, plate.window
        long_side = max(display.size)
        scale = working_scale(self._profile, display=long_side, window=max(window.size))
        height, width = (max(1, round(side * scale)) for side in (window.height, window.width))
        view = self._padded(resized(self._plates.transform.view(plate.rgb), width=width, height=height))
        h, w = (side // STRIDE for side in view.shape[-2:])
        origin = ((window.x0 - display.x0) * scale, (window.y0 - display.y0) * scale)
        place = token_places(h, w, long_side=long_side * scale, origin=origin, device=view.device)
        return Working(plate.frame, view, (height, width), (window.height, window.width), place)

    def _padded(self, image: NDArray[np.float32]) -> Tensor:
        """Return H×W×C as 1×C×H×W on the device, repeated at the edge up to multiples of 32 and to the narrowest width."""
        tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(self._engine.torch_device)
        h, w = tensor.shape[-2:]
        return F.pad(tensor, (0, max(-w % COARSEST, NARROWEST - w), 0, -h % COARSEST), mode="replicate").contiguous(
            memory_format=torch.channels_last
        )

    def _land(self, working: Working, probabilities: Tensor, *, doubt: Tensor) -> None:
        height, width = working.size
        real = probabilities[..., :height, :width]
        self._trimaps.land(working.frame, decided(real, size=working.full), confidence=confidence(real, doubt[..., :height, :width]))


def working_scale(profile: Profile, *, display: int, window: int) -> float:
    """Return by how much plates are made smaller, or larger, for stage 1; display, window: their long sides in pixels."""
    return min(ENLARGED, profile.working_side / display, LONGEST_SIDE / window)


def fused(forward: Tensor, backward: Tensor, *, share: float) -> Tensor:
    """Fuse the probabilities of two passes, N×3×H×W; `share`, 0..1, is how near the frame lies to the forward pass's key.

    Each pass weighs by nearness and by certainty, one minus its entropy over ln 3.
    """
    weights = [s * (1.02 - entropy(p)) for s, p in ((share, forward), (1.0 - share, backward))]
    return (weights[0] * forward + weights[1] * backward) / (weights[0] + weights[1])


def entropy(probabilities: Tensor) -> Tensor:
    """Return N×1×H×W, 0 certain to 1 undecided, of three-class probabilities N×3×H×W."""
    p = probabilities.clamp(min=1e-6)
    return -(p * p.log()).sum(1, keepdim=True) / float(np.log(3.0))


def disagreement(forward: Tensor, backward: Tensor) -> Tensor:
    """Return N×1×H×W, 0 alike to 1 opposite: the total variation distance of two passes' probabilities N×3×H×W."""
    return (forward - backward).abs().sum(1, keepdim=True) / 2.0


def confidence(probabilities: Tensor, doubt: Tensor) -> float:
    """Return how sure stage 1 is of a frame, 0..1: exp(-r), where r is the doubt N×1×H×W of its pixels over the area of its unknown band.

    A band narrower than a hundredth of the frame counts as that, so that a frame without a subject is sure.
    """
    certain = (calibrated(probabilities)[:, 0::2] >= CERTAIN).any(1)
    band = max(float((~certain).float().mean()), SMALLEST_BAND)
    return math.exp(-float(doubt.mean()) / band)


def decided(probabilities: Tensor, *, size: tuple[int, int]) -> Classes:
    """Return H×W classes at full size (height, width) from 1×3×h×w working probabilities, see `certain_classes`."""
    return certain_classes(probabilities, size=size)[0, 0].cpu().numpy()
