"""Task matte(frames): for each t, plate and stored trimap of t-1, t, t+1 in, alpha out; nothing else is read.

The coarse levels of the network see the whole frame; the fine levels run on a fixed grid of tiles, and only on those that hold unknown
pixels. A region is a plate's data window, extended to the grid of 32 solved pixels through the display window's corner,
and at least two of its columns wide.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bridge.failures import is_memory
from bridge.imaging.flow import motion_to_neighbours
from bridge.models.inputs import looked_twice
from bridge.models.layers import NARROWEST
from bridge.models.matting import (
    COARSEST,
    HALO,
    REDUCTION,
    Features,
    MattingNetwork,
    exact_where_certain,
    guide,
    neighbouring,
    reduced,
    shared,
)
from bridge.shot.plates import Plate, Plates
from bridge.shot.profile import Profile
from bridge.shot.segments import neighbours, with_neighbours
from bridge.window import Window

from .engine import Engine
from .flow import ahead
from .trimaps import Classes, Trimaps

TILES_AT_ONCE = 4
Floats = NDArray[np.float32]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoded:
    """What is kept of a frame for its neighbours: its region, and of that the network's features, what its fine levels share, 1×6×H×W
    float32 (in which it is read tile by tile: converting it for each tile would cost more than all else), and what motion is searched on,
    1×H×W uint8."""

    region: Window
    features: Features
    shared: Tensor
    guide: Tensor


@dataclass(frozen=True)
class Prepared:
    """A frame ready to solve: its plate and trimap, its region, inputs 1×C×H×W and solved classes 1×1×H×W of the region, and what of
    it is kept for its neighbours."""

    plate: Plate
    classes: Classes
    inputs: Tensor
    solved: Tensor
    encoded: Encoded


@dataclass(frozen=True)
class Beside:
    """What the frames before and after show a frame, each 1×6×H×W, and the motion to them, 1×4×H×W, or None. Moved tile by tile."""

    before: Tensor
    after: Tensor
    motion: Tensor | None

    def cropped(self, tile: tuple[slice, slice], *, side: int, halo: int) -> Tensor:
        """Return a full tile with its halo, 1×12×(side + 2·halo)×(side + 2·halo)."""
        if self.motion is None:
            before, after = (cropped(shown, tile, side=side, halo=halo) for shown in (self.before, self.after))
            return neighbouring(before, after, None)
        corner = (tile[0].start - halo, tile[1].start - halo)
        return neighbouring(self.before, self.after, cropped(self.motion, tile, side=side, halo=halo), origin=corner)


@dataclass(frozen=True)
class Trio:
    """A frame and what is kept of its neighbours."""

    before: Encoded
    centre: Prepared
    after: Encoded


class Matter:
    """Stage 2 on one shot."""

    def __init__(self, network: MattingNetwork, *, engine: Engine, profile: Profile, plates: Plates, trimaps: Trimaps) -> None:
        self._network, self._engine, self._profile = network, engine, profile
        self._plates, self._trimaps = plates, trimaps
        self._at_once = TILES_AT_ONCE

    def mattes(self, wanted: Sequence[int], *, present: Collection[int]) -> Generator[tuple[Plate, Floats], None, None]:
        """Yield plate and alpha (H×W float32 on its data window) of each wanted frame, ascending."""
        with (
            closing(ahead(sorted(with_neighbours(wanted, present)), self.prepare, depth=1, threads=2)) as prepared,
            closing(ahead(self._trios(sorted(wanted), prepared, present), self._solve, depth=1, threads=2)) as solved,
        ):
            yield from solved

    @staticmethod
    def _trios(wanted: Sequence[int], frames: Iterator[Prepared], present: Collection[int]) -> Iterator[Trio]:
        """Take prepared frames as they are needed; keep what a later frame needs and no more."""
        to_solve = frozenset(wanted)
        waiting: dict[int, Prepared] = {}
        encoded: dict[int, Encoded] = {}
        for frame in wanted:
            before, after = neighbours(frame, present)
            while after not in encoded:
                prepared = next(frames)
                number = prepared.plate.frame
                encoded[number] = prepared.encoded
                if number in to_solve:
                    waiting[number] = prepared
            encoded = {f: e for f, e in encoded.items() if f >= before}
            yield Trio(encoded[before], waiting.pop(frame), encoded[after])

    def prepare(self, frame: int) -> Prepared:
        """Read a frame, compute what the network is shown, and encode it."""
        plate, classes = self._plates.read(frame), self._trimaps(frame)
        colours = self._plates.transform
        times, display = self._profile.reduction, self._plates.display
        region = plate.window.snapped(COARSEST * times, origin=(display.x0, display.y0))
        region = replace(region, x1=max(region.x1, region.x0 + NARROWEST * times))
        with torch.inference_mode(), self._engine.autocast:
            images = (torch.from_numpy(seen(plate.rgb)) for seen in (colours.view, colours.mixing))
            view, mixing = (shrunk(self._extended(image, plate.window, region), times) for image in images)
            solved = shrunk_classes(self._extended(torch.tensor(classes)[..., None], plate.window, region), times)
            step = 2 if plate.window.width * plate.window.height > self._profile.search_coarser_above else 1
            look = functools.partial(self._look, solved)
            inputs = looked_twice(view, mixing, solved, linear=self._plates.linear, look=look, step=step)
            encoded = Encoded(region, self._encode(inputs), shared(inputs), guide(inputs))
        return Prepared(plate, classes, inputs, solved, encoded)

    def _encode(self, inputs: Tensor) -> Features:
        return self._network.encode(reduced(inputs).contiguous(memory_format=torch.channels_last))

    def _look(self, classes: Tensor, inputs: Tensor) -> Tensor:
        """Return the alpha of a frame by itself: what `MattingNetwork.alone` does, tile by tile."""
        features, own = self._encode(inputs), shared(inputs)
        return self.refined(inputs, Beside(own, own, None), self._network.fuse(features, features, features, None), classes)

    def _extended(self, image: Tensor, window: Window, region: Window) -> Tensor:
        """Return H×W×C of a data window as 1×C×H×W of its region on the device, repeated at the edges."""
        rows, columns = region.slices(window)
        wide = image.new_empty(1, image.shape[2], region.height, region.width)
        wide[0, :, rows, columns] = image.permute(2, 0, 1)
        wide[..., rows, : columns.start] = wide[..., rows, columns.start : columns.start + 1]
        wide[..., rows, columns.stop :] = wide[..., rows, columns.stop - 1 : columns.stop]
        wide[..., : rows.start, :] = wide[..., rows.start : rows.start + 1, :]
        wide[..., rows.stop :, :] = wide[..., rows.stop - 1 : rows.stop, :]
        return wide.to(self._engine.torch_device)

    def _solve(self, trio: Trio) -> tuple[Plate, Floats]:
        scale, centre = self._profile.reduction, trio.centre
        region = centre.encoded.region
        with torch.inference_mode(), self._engine.autocast:
            before, after = (aligned(e, into=region, scale=scale) for e in (trio.before, trio.after))
            motion = self._motion(before.guide, centre.encoded.guide, after.guide)
            beside = Beside(before.shared, after.shared, motion)
            context = self._network.fuse(before.features, centre.encoded.features, after.features, motion)
            alpha = exact_where_certain(self.refined(centre.inputs, beside, context, centre.solved), centre.solved)
            if scale > 1:
                alpha = F.interpolate(alpha, scale_factor=float(scale), mode="bilinear")
        rows, columns = region.slices(centre.plate.window)
        inside = alpha[0, 0, rows, columns].float().cpu().numpy()
        classes = centre.classes
        return centre.plate, np.where(classes == 1, inside, (classes == 2).astype(np.float32)).astype(np.float32, copy=False)

    def _motion(self, before: Tensor, centre: Tensor, after: Tensor) -> Tensor:
        """Return where the pixels of a frame lie in its neighbours, 1×4×H×W; big frames are searched to a quarter of their resolution."""
        finest = 1 if centre.numel() <= self._profile.search_coarser_above else 2
        found = motion_to_neighbours(*(g[0].cpu().numpy() for g in (before, centre, after)), finest=finest)
        return torch.from_numpy(found)[None].to(self._engine.torch_device)

    def refined(self, inputs: Tensor, beside: Beside, context: Tensor, classes: Tensor) -> Tensor:
        """Run the fine levels on every tile with unknown pixels; return 1×1×H×W float32, 0 in tiles without."""
        side = self._profile.tile
        alpha = torch.zeros_like(inputs[:, :1])
        tiles = [t for t in grid(*inputs.shape[-2:], side=side) if bool((classes[..., t[0], t[1]] == 1).any())]
        while tiles:
            batch = tiles[: self._at_once]
            try:
                with_halo = torch.cat([cropped(inputs, t, side=side, halo=HALO) for t in batch])
                near = torch.cat([beside.cropped(t, side=side, halo=HALO) for t in batch])
                around = torch.cat([cropped(context, t, side=side, halo=HALO, stride=REDUCTION) for t in batch])
                result = self._network.refine(with_halo, near, around, halo=HALO)
            except (RuntimeError, MemoryError) as error:
                self._take_fewer(error, tried=len(batch))
                continue
            for (rows, columns), tile in zip(batch, result, strict=True):
                alpha[0, :, rows, columns] = tile[:, : rows.stop - rows.start, : columns.stop - columns.start]
            tiles = tiles[len(batch) :]
        return alpha

    def _take_fewer(self, error: BaseException, *, tried: int) -> None:
        """Go on with half as many tiles at once when memory ran out; any other error, and one of a single tile, is raised.

        Several threads may come here at once, each with what it tried.
        """
        if tried == 1 or not is_memory(error):
            raise error
        self._at_once = min(self._at_once, tried // 2)
        log.warning("%s has not enough memory; fewer tiles are computed at once, which is slower", self._engine.device)
        if self._engine.torch_device.type == "cuda":
            torch.cuda.empty_cache()


def grid(height: int, width: int, *, side: int) -> list[tuple[slice, slice]]:
    """Return the tiles of a fixed grid over a region, row by row; the last of a row or column may be cut short."""
    return [
        (slice(y, min(y + side, height)), slice(x, min(x + side, width))) for y in range(0, height, side) for x in range(0, width, side)
    ]


def cropped(maps: Tensor, tile: tuple[slice, slice], *, side: int, halo: int, stride: int = 1) -> Tensor:
    """Return a full tile with its halo from 1×C×H×W maps at a stride, the edge of the region repeated beyond it."""
    spans, missing = [], []
    for place, length in zip((tile[1], tile[0]), (maps.shape[-1], maps.shape[-2]), strict=True):
        low, high = (place.start - halo) // stride, (place.start + side + halo) // stride
        spans.append(slice(max(0, low), min(length, high)))
        missing += [max(0, -low), max(0, high - length)]
    inside = maps[..., spans[1], spans[0]].contiguous(memory_format=torch.channels_last)
    return F.pad(inside, missing, mode="replicate") if any(missing) else inside


def aligned(encoded: Encoded, *, into: Window, scale: int) -> Encoded:
    """Move what is kept of a frame into another frame's region: cropped where it is smaller, zero where there is nothing."""
    of = encoded.region
    if of == into:
        return encoded
    common = of.intersection(into)

    def moved(maps: Tensor, stride: int = 1) -> Tensor:
        step = stride * scale
        result = maps.new_zeros(*maps.shape[:-2], into.height // step, into.width // step)
        if not common.empty:
            here, there = (tuple(slice(s.start // step, s.stop // step) for s in w.slices(common)) for w in (into, of))
            result[..., here[0], here[1]] = maps[..., there[0], there[1]]
        return result.contiguous(memory_format=torch.channels_last) if result.ndim == 4 else result

    f = encoded.features
    features = Features(moved(f.s4, 4), moved(f.s8, 8), moved(f.s16, 16), moved(f.s32, 32))
    return Encoded(into, features, moved(encoded.shared), moved(encoded.guide))


def shrunk(image: Tensor, times: int) -> Tensor:
    """Average 1×C×H×W over squares of `times` pixels."""
    return image if times == 1 else F.avg_pool2d(image, times)


def shrunk_classes(classes: Tensor, times: int) -> Tensor:
    """Reduce 1×1×H×W classes; a square is certain only where all its pixels agree."""
    if times == 1:
        return classes
    high = F.max_pool2d(classes.float(), times)
    low = -F.max_pool2d(-classes.float(), times)
    return torch.where(high == low, high, torch.ones_like(high)).to(classes.dtype)
