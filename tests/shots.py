"""Small shots made on the fly: a soft disc that moves over a textured background, with its true alpha."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """Where a shot lies: patterns of plate, keys and true alpha, and its frames."""

    folder: Path
    plate: str
    keys: str
    truth: dict[int, Floats]

    @property
    def frames(self) -> list[int]:
        return sorted(self.truth)


def disc(index: float, *, width: int = 96, height: int = 64, softness: float = 3.0) -> Floats:
    """Return H×W float32 coverage of a disc that moves one and a half pixels a frame."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = np.hypot(x - width * 0.4 - 1.5 * index, y - height * 0.5)
    return np.clip((min(width, height) * 0.28 - away) / softness + 0.5, 0, 1).astype(np.float32)


def picture(alpha: Floats, *, seed: int = 1) -> Floats:
    """Return H×W×3 float32 scene-linear: a warm disc, brighter than white in places, over blue-green noise."""
    random = np.random.default_rng(seed)
    height, width = alpha.shape
    background = np.array([0.05, 0.2, 0.25], np.float32) * (0.6 + 0.8 * random.random((height, width, 1), np.float32))
    foreground = np.array([1.6, 0.5, 0.1], np.float32) * (0.8 + 0.4 * random.random((height, width, 1), np.float32))
    return np.asarray(alpha[..., None] * foreground + (1 - alpha[..., None]) * background, np.float32)


def trimap(alpha: Floats, *, band: int = 3) -> Floats:
    """Return H×W float32 of 0, 0.5 and 1: unknown wherever a pixel within `band` is soft or of another class."""
    low, high = alpha.copy(), alpha.copy()
    for axis in (0, 1):
        low, high = (extreme([np.roll(a, s, axis) for s in range(-band, band + 1)]) for extreme, a in ((_least, low), (_most, high)))
    return np.where(low >= 1, 1.0, np.where(high <= 0, 0.0, 0.5)).astype(np.float32)


def _least(maps: list[Floats]) -> Floats:
    return np.minimum.reduce(maps)


def _most(maps: list[Floats]) -> Floats:
    return np.maximum.reduce(maps)


def write_exr(path: Path, pixels: Floats, *, display: tuple[int, int] | None = None, kind: str = "half") -> Path:
    """Write H×W or H×W×C scene-linear values as EXR; `display` is the display window's size."""
    return _write(path, pixels, kind, display, "lin_rec709_scene")


def write_png(path: Path, values: Floats) -> Path:
    """Write H×W or H×W×C values of 0..1 as 8-bit PNG."""
    return _write(path, np.rint(values * 255).astype(np.uint8), "uint8", None, None)


def _write(path: Path, pixels: NDArray[np.generic], kind: str, display: tuple[int, int] | None, space: str | None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cube = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width, channels = cube.shape
    spec = oiio.ImageSpec(width, height, channels, kind)
    spec.channelnames = ("Y",) if channels == 1 else tuple("RGBA"[:channels])
    if display:
        spec.full_width, spec.full_height = display
    if space:
        spec["colorInteropID"] = space
    out = oiio.ImageOutput.create(str(path))
    assert out is not None
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(cube)), out.geterror()
    out.close()
    return path


def make_shot(
    folder: Path, *, frames: int = 5, first: int = 1001, keys: tuple[int, ...] | None = None, width: int = 96, height: int = 64
) -> Shot:
    """Write plates (half EXR), keys (PNG, by default of the first frame) and return where they are with the true alpha."""
    truth = {first + i: disc(i, width=width, height=height) for i in range(frames)}
    shot = Shot(folder, str(folder / "plate.####.exr"), str(folder / "keys" / "key.####.png"), truth)
    for frame, alpha in truth.items():
        write_exr(Path(shot.plate.replace("####", number(frame))), picture(alpha, seed=frame % 1000))
    for frame in (first,) if keys is None else keys:
        write_png(Path(shot.keys.replace("####", number(frame))), trimap(truth[frame]))
    return shot


def number(frame: int) -> str:
    """Write a frame number in four digits, as sequences do."""
    return str(frame).zfill(4)


def read_exr(path: Path) -> Floats:
    """Return H×W×C float32 of an image's first part."""
    source = oiio.ImageInput.open(str(path))
    assert source is not None, oiio.geterror()
    pixels = source.read_image("float")
    source.close()
    return np.asarray(pixels, np.float32)


def write_window(path: Path, pixels: NDArray[np.float32], *, at: tuple[int, int], display: tuple[int, int]) -> Path:
    """Write H×W×C scene-linear values as half EXR with its data window at a place of the display."""
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], "half")
    spec.x, spec.y = at
    spec.full_width, spec.full_height = display
    spec["colorInteropID"] = "lin_rec709_scene"
    out = oiio.ImageOutput.create(str(path))
    assert out is not None
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(pixels, np.float32)), out.geterror()
    out.close()
    return path
