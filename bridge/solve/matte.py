"""Task matte(frames): for each t, plates and stored trimaps of t-2 to t+2 in, alpha out; nothing else is read.

Frames pass through three steps, each of which needs of a frame's neighbours what the step before made of them: they are prepared, solved
between their neighbours, and steadied by their neighbours' mattes.

The coarse levels of the network see the whole frame; all else runs on a fixed grid of tiles, and only on those that hold unknown
pixels. A region is a plate's data window, extended to the grid of 32 solved pixels through the display window's corner,
and at least two of its columns wide.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

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
from bridge.models.steadying import AROUND, REFINEMENTS, SteadyingNetwork, matte_guide, matted, own_inputs, steadying_inputs
from bridge.shot.plates import Plate, Plates
from bridge.shot.profile import Profile
from bridge.shot.segments import neighbours, with_neighbours
from bridge.window import Window

from .engine import Engine
from .flow import ahead
from .trimaps import Classes, Trimaps

TILES_AT_ONCE = 4
Floats = NDArray[np.float32]
Tile = tuple[slice, slice]  # rows, columns
Centre = TypeVar("Centre", bound="Frame")
Besides = TypeVar("Besides")
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
class Matted:
    """What is kept of a solved frame for its neighbours: its region, and of that matte and view, 1×4×H×W float32, see `matted`."""

    region: Window
    shown: Tensor


@dataclass(frozen=True)
class Frame:
    """A frame on its way: its plate and trimap, and the classes of its region in solved pixels, 1×1×H×W."""

    plate: Plate
    classes: Classes
    solved: Tensor


@dataclass(frozen=True)
class Prepared(Frame):
    """A frame ready to solve: inputs 1×C×H×W of its region, and what of it is kept for its neighbours."""

    inputs: Tensor
    encoded: Encoded


@dataclass(frozen=True)
class Solved(Frame):
    """A frame ready to be steadied: its matte, exact where its classes are certain, which with the view is kept for its neighbours; its
    `own_inputs` 1×6×H×W; and the motion of the view to its neighbours, 1×4×H×W."""

    matted: Matted
    own: Tensor
    motion: Tensor

    @property
    def alpha(self) -> Tensor:
        """1×1×H×W float32."""
        return self.matted.shown[:, :1]


@dataclass(frozen=True)
class Beside:
    """What the frames before and after show a frame, each 1×6×H×W, and the motion to them, 1×4×H×W, or None. Moved tile by tile."""

    before: Tensor
    after: Tensor
    motion: Tensor | None

    def cropped(self, tile: Tile, *, side: int, halo: int) -> Tensor:
        """Return a full tile with its halo, 1×12×(side + 2·halo)×(side + 2·halo)."""
        (rows, columns), missing = around(tile, self.before.shape[-2:], side=side, halo=halo)
        if self.motion is None:
            return repeated(neighbouring(self.before[..., rows, columns], self.after[..., rows, columns], None), missing)
        corner = (rows.start, columns.start)
        return repeated(neighbouring(self.before, self.after, self.motion[..., rows, columns], origin=corner), missing)


@dataclass(frozen=True)
class Trio(Generic[Centre, Besides]):
    """A frame and what is kept of its neighbours."""

    before: Besides
    centre: Centre
    after: Besides


def trios(
    wanted: Sequence[int], frames: Iterator[Centre], present: Collection[int], *, kept: Callable[[Centre], Besides]
) -> Iterator[Trio[Centre, Besides]]:
    """Take frames, ascending, as they are needed; keep of them what a later one needs and no more."""
    to_do = frozenset(wanted)
    waiting: dict[int, Centre] = {}
    near: dict[int, Besides] = {}
    for number in wanted:
        before, after = neighbours(number, present)
        while after not in near:
            frame = next(frames)
            near[frame.plate.frame] = kept(frame)
            if frame.plate.frame in to_do:
                waiting[frame.plate.frame] = frame
        near = {n: k for n, k in near.items() if n >= before}
        yield Trio(near[before], waiting.pop(number), near[after])


class Matter:
    """Stage 2 on one shot; without `steadying` mattes stay as they are solved."""

    def __init__(
        self,
        network: MattingNetwork,
        *,
        steadying: SteadyingNetwork | None,
        engine: Engine,
        profile: Profile,
        plates: Plates,
        trimaps: Trimaps,
    ) -> None:
        self._network, self._steadying = network, steadying
        self._engine, self._profile = engine, profile
        self._plates, self._trimaps = plates, trimaps
        self._at_once = TILES_AT_ONCE

    def mattes(self, wanted: Sequence[int], *, present: Collection[int]) -> Generator[tuple[Plate, Floats], None, None]:
        """Yield plate and alpha (H×W float32 on its data window) of each wanted frame, ascending."""
        to_solve = sorted(with_neighbours(wanted, present) if self._steadying else wanted)
        to_prepare = sorted(with_neighbours(to_solve, present))
        with ExitStack() as opened:
            prepared = opened.enter_context(closing(ahead(to_prepare, self.prepare, depth=1, threads=2)))
            between = trios(to_solve, prepared, present, kept=lambda frame: frame.encoded)
            solved = opened.enter_context(closing(ahead(between, self._solve, depth=1, threads=2)))
            if self._steadying is None:
                yield from (self._finished(frame, frame.alpha) for frame in solved)
                return
            between_mattes = trios(sorted(wanted), solved, present, kept=lambda frame: frame.matted)
            yield from opened.enter_context(closing(ahead(between_mattes, self._steady, depth=1)))

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
        return Prepared(plate, classes, solved, inputs, encoded)

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

    def _solve(self, trio: Trio[Prepared, Encoded]) -> Solved:
        centre = trio.centre
        region = centre.encoded.region
        with torch.inference_mode(), self._engine.autocast:
            before, after = (aligned(e, into=centre.encoded, scale=self._profile.reduction) for e in (trio.before, trio.after))
            motion = self._motion(before.guide, centre.encoded.guide, after.guide)
            beside = Beside(before.shared, after.shared, motion)
            context = self._network.fuse(before.features, centre.encoded.features, after.features, motion)
            alpha = exact_where_certain(self.refined(centre.inputs, beside, context, centre.solved), centre.solved)
            own = own_inputs(centre.inputs)
        return Solved(centre.plate, centre.classes, centre.solved, Matted(region, matted(alpha, own)), own, motion)

    def _steady(self, trio: Trio[Solved, Matted]) -> tuple[Plate, Floats]:
        centre = trio.centre
        region, scale = centre.matted.region, self._profile.reduction
        if trio.before is trio.after:  # a frame that has no neighbours is its own on either side
            return self._finished(centre, centre.alpha)
        with torch.inference_mode(), self._engine.autocast:
            own = centre.matted.shown
            before, after = (moved(m.shown, of=m.region, into=region, step=scale, beyond=own) for m in (trio.before, trio.after))
            by_matte = self._motion(*(matte_guide(shown[:, :1]) for shown in (before, own, after)), refinements=REFINEMENTS)
            alpha = self.steadied(centre, before, after, torch.cat([centre.motion, by_matte], 1))
        return self._finished(centre, exact_where_certain(alpha, centre.solved))

    def _finished(self, solved: Solved, alpha: Tensor) -> tuple[Plate, Floats]:
        """Return the plate and its alpha, H×W float32 on its data window; alpha: 1×1×H×W of the region, in solved pixels."""
        if self._profile.reduction > 1:
            alpha = F.interpolate(alpha, scale_factor=float(self._profile.reduction), mode="bilinear")
        rows, columns = solved.matted.region.slices(solved.plate.window)
        inside, classes = alpha[0, 0, rows, columns].float().cpu().numpy(), solved.classes
        return solved.plate, np.where(classes == 1, inside, (classes == 2).astype(np.float32)).astype(np.float32, copy=False)

    def _motion(self, before: Tensor, centre: Tensor, after: Tensor, *, refinements: int = 0) -> Tensor:
        """Return where the pixels of a frame lie in its neighbours, 1×4×H×W; big frames are searched to a quarter of their resolution."""
        finest = 1 if centre.numel() <= self._profile.search_coarser_above else 2
        guides = (g[0].cpu().numpy() for g in (before, centre, after))
        found = motion_to_neighbours(*guides, finest=finest, refinements=refinements)
        return torch.from_numpy(found)[None].to(self._engine.torch_device)

    def refined(self, inputs: Tensor, beside: Beside, context: Tensor, classes: Tensor) -> Tensor:
        """Run the fine levels on every tile with unknown pixels; return 1×1×H×W float32, 0 in tiles without."""
        side = self._profile.tile

        def computed(tiles: list[Tile]) -> Tensor:
            with_halo = torch.cat([cropped(inputs, t, side=side, halo=HALO) for t in tiles])
            near = torch.cat([beside.cropped(t, side=side, halo=HALO) for t in tiles])
            context_there = torch.cat([cropped(context, t, side=side, halo=HALO, stride=REDUCTION) for t in tiles])
            return self._network.refine(with_halo, near, context_there, halo=HALO)

        return self._in_tiles(torch.zeros_like(inputs[:, :1]), classes, computed)

    def steadied(self, solved: Solved, before: Tensor, after: Tensor, motions: Tensor) -> Tensor:
        """Steady every tile with unknown pixels by the neighbours' mattes; return 1×1×H×W float32."""
        network, side = self._steadying, self._profile.tile
        assert network is not None

        def seen(tile: Tile) -> Tensor:
            (rows, columns), missing = around(tile, solved.alpha.shape[-2:], side=side, halo=AROUND)
            alpha, own, there = (m[..., rows, columns] for m in (solved.alpha, solved.own, motions))
            return repeated(steadying_inputs(alpha, own, before, after, there, origin=(rows.start, columns.start)), missing)

        def computed(tiles: list[Tile]) -> Tensor:
            steady: Tensor = network(torch.cat([seen(t) for t in tiles]), halo=AROUND)
            return steady

        return self._in_tiles(solved.alpha.clone(), solved.solved, computed)

    def _in_tiles(self, alpha: Tensor, classes: Tensor, computed: Callable[[list[Tile]], Tensor]) -> Tensor:
        """Fill in, and return, the tiles of 1×1×H×W that hold unknown pixels, several at once; `computed` gives N×1×side×side."""
        tiles = [t for t in grid(*alpha.shape[-2:], side=self._profile.tile) if bool((classes[..., t[0], t[1]] == 1).any())]
        while tiles:
            batch = tiles[: self._at_once]
            try:
                result = computed(batch)
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


def grid(height: int, width: int, *, side: int) -> list[Tile]:
    """Return the tiles of a fixed grid over a region, row by row; the last of a row or column may be cut short."""
    return [
        (slice(y, min(y + side, height)), slice(x, min(x + side, width))) for y in range(0, height, side) for x in range(0, width, side)
    ]


def around(tile: Tile, size: Sequence[int], *, side: int, halo: int, stride: int = 1) -> tuple[Tile, tuple[int, int, int, int]]:
    """Return which rows and columns of maps at a stride, of `size` (height, width), a full tile with its halo takes, and how many it lacks
    to the left, right, top and bottom, where it reaches beyond them."""
    spans, missing = [], []
    for place, length in zip(tile, size, strict=True):
        low, high = (place.start - halo) // stride, (place.start + side + halo) // stride
        spans.append(slice(max(0, low), min(length, high)))
        missing.append((max(0, -low), max(0, high - length)))
    (top, bottom), (left, right) = missing
    return (spans[0], spans[1]), (left, right, top, bottom)


def repeated(maps: Tensor, missing: tuple[int, int, int, int]) -> Tensor:
    """Repeat the edges of N×C×H×W to the left, right, top and bottom."""
    return F.pad(maps, missing, mode="replicate") if any(missing) else maps


def cropped(maps: Tensor, tile: Tile, *, side: int, halo: int, stride: int = 1) -> Tensor:
    """Return a full tile with its halo from 1×C×H×W maps at a stride, the edge of the region repeated beyond it."""
    (rows, columns), missing = around(tile, maps.shape[-2:], side=side, halo=halo, stride=stride)
    return repeated(maps[..., rows, columns].contiguous(memory_format=torch.channels_last), missing)


def aligned(encoded: Encoded, *, into: Encoded, scale: int) -> Encoded:
    """Move what is kept of a frame into another frame's region: see `moved`. Where it has nothing, nothing moves."""
    if encoded.region == into.region:
        return encoded

    def there(maps: Tensor, stride: int = 1, beyond: Tensor | None = None) -> Tensor:
        return moved(maps, of=encoded.region, into=into.region, step=stride * scale, beyond=beyond)

    f = encoded.features
    features = Features(there(f.s4, 4), there(f.s8, 8), there(f.s16, 16), there(f.s32, 32))
    return Encoded(into.region, features, there(encoded.shared), there(encoded.guide, beyond=into.guide))


def moved(maps: Tensor, *, of: Window, into: Window, step: int, beyond: Tensor | None = None) -> Tensor:
    """Move maps of one region, …×H×W with so many plate pixels to a step, into another: cropped where it is smaller, and where there is
    nothing zero, or what is `beyond`."""
    if of == into:
        return maps
    common = of.intersection(into)
    result = maps.new_zeros(*maps.shape[:-2], into.height // step, into.width // step) if beyond is None else beyond.clone()
    if not common.empty:
        here, there = (tuple(slice(s.start // step, s.stop // step) for s in w.slices(common)) for w in (into, of))
        result[..., here[0], here[1]] = maps[..., there[0], there[1]]
    return result.contiguous(memory_format=torch.channels_last) if result.ndim == 4 else result


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
