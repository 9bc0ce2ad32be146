# SPDX-License-Identifier: GPL-3.0-or-later
"""Assemble the demo shot from the layers of render_demo.py: python pack_demo.py LAYERS --out bridge/demo."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO

Image = npt.NDArray[np.float32]

FIRST, LAST = 1001, 1012
FRAMES_PER_SECOND = 24
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
LICENCE = "CC0-1.0"
# Fixed, so that the same layers give the same bytes.
DATE = "2026:11:22 20:00:00"

# The wall behind is printed down a little, so that the creature stands out.
BACKGROUND_EXPOSURE = 0.6
# Red and blue are recorded more coarsely than green, as a colour filter array does; even steps below the darkest stop.
STEPS_PER_STOP, DARKEST_STOP = (16, 32, 16), (1 / 8, 1 / 16, 1 / 8)
ALPHA_STEPS = 128


def read(path: Path) -> Image:
    """Read all channels, H×W×C float32."""
    buffer = OpenImageIO.ImageBuf(str(path))
    if buffer.has_error or buffer.spec().width == 0:
        raise FileNotFoundError(f"{path}: {buffer.geterror() or 'cannot be read'}; run render_demo.py first")
    return np.asarray(buffer.get_pixels(OpenImageIO.FLOAT), np.float32).reshape(buffer.spec().height, buffer.spec().width, -1)


def blurred(image: Image, *, sigma: float) -> Image:
    return np.atleast_3d(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)).astype(np.float32)


def foreground_colour(layer: Image) -> Image:
    """Return unpremultiplied H×W×3 scene-linear colour of a premultiplied H×W×4 layer, carried outwards where the layer is empty.

    At soft pixels colour and alpha are divided after the same small blur, so that their shared sampling noise cancels.
    """
    colour, alpha = layer[..., :3], layer[..., 3:]
    scales = ((0.8, 1.0), (2.5, 0.04), (9.0, 0.0005), (60.0, 1e-6))
    above = sum(weight * blurred(colour, sigma=sigma) for sigma, weight in scales)
    below = sum(weight * blurred(alpha, sigma=sigma) for sigma, weight in scales)
    return np.where(alpha >= 1, colour, above / np.maximum(below, 1e-9)).astype(np.float32)


def recorded(plate: Image) -> Image:
    """Keep the steps a camera's curve would: even in each stop, and even below the darkest; H×W×3 scene-linear.

    Values stay exact in half float and ZIP holds them in 0.3 MB a frame.
    """
    stop = np.exp2(np.floor(np.log2(np.maximum(plate, np.array(DARKEST_STOP)))))
    step = stop / np.array(STEPS_PER_STOP)
    return (np.round(plate / step) * step).astype(np.float32)


def key_trimap(alpha: Image, *, seed: int = 7) -> npt.NDArray[np.uint8]:
    """Paint the key as an artist would, five pixels or so wider than what is soft, with an unsteady edge; H×W, 0, 128 or 255."""
    hard = ((alpha <= 0.02) | (alpha >= 0.98)).astype(np.uint8)
    distance = cv2.distanceTransform(hard, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    wobble = blurred(np.random.default_rng(seed).normal(size=alpha.shape).astype(np.float32), sigma=9.0)[..., 0]
    unknown = distance < np.maximum(5.0 + 1.5 * wobble / wobble.std(), 3.0)
    return np.where(unknown, 128, np.where(alpha > 0.5, 255, 0)).astype(np.uint8)


def timecode(frame: int) -> tuple[int, int]:
    """Return the two words of an OpenEXR time code, SMPTE ST 12-1 binary-coded decimal, for a frame counted from 00:00:00:00."""
    seconds, frames = divmod(frame, FRAMES_PER_SECOND)
    fields = (frames, seconds % 60, seconds // 60 % 60, seconds // 3600)
    return sum((value // 10 << 4 | value % 10) << (8 * place) for place, value in enumerate(fields)), 0


def write(path: Path, pixels: Image, *, frame: int, channels: tuple[str, ...]) -> None:
    """Write H×W×C as half-float ZIP with the attributes a camera's plate carries."""
    height, width = pixels.shape[:2]
    spec = OpenImageIO.ImageSpec(width, height, len(channels), OpenImageIO.HALF)
    spec.channelnames = channels
    spec.alpha_channel = channels.index("A") if "A" in channels else -1
    spec.attribute("compression", "zip:9")
    spec.attribute("Copyright", LICENCE)
    spec.attribute("DateTime", DATE)
    spec.attribute("framesPerSecond", OpenImageIO.TypeDesc("rational"), (FRAMES_PER_SECOND, 1))
    spec.attribute("smpte:TimeCode", OpenImageIO.TypeTimeCode, timecode(frame))
    if channels != ("A",):
        spec.attribute("chromaticities", OpenImageIO.TypeDesc("float[8]"), REC709)
        spec.attribute("colorInteropID", "lin_rec709_scene")
    output = OpenImageIO.ImageOutput.create(str(path))
    if output is None or not output.open(str(path), spec) or not output.write_image(pixels.astype(np.float16)) or not output.close():
        raise OSError(f"{path}: {OpenImageIO.geterror() if output is None else output.geterror()}")


def write_trimap(path: Path, trimap: npt.NDArray[np.uint8]) -> None:
    spec = OpenImageIO.ImageSpec(trimap.shape[1], trimap.shape[0], 1, OpenImageIO.UINT8)
    spec.attribute("Copyright", LICENCE)
    output = OpenImageIO.ImageOutput.create(str(path))
    if output is None or not output.open(str(path), spec) or not output.write_image(trimap[..., None]) or not output.close():
        raise OSError(f"{path}: {OpenImageIO.geterror() if output is None else output.geterror()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    (arguments.out / "truth").mkdir(parents=True, exist_ok=True)
    for frame in range(FIRST, LAST + 1):
        foreground, background = (read(arguments.layers / f"{name}.{frame}.exr") for name in ("foreground", "background"))
        alpha = np.round(read(arguments.layers / f"coverage.{frame}.exr")[..., 3:].clip(0, 1) * ALPHA_STEPS) / ALPHA_STEPS
        plate = alpha * foreground_colour(foreground) + (1 - alpha) * BACKGROUND_EXPOSURE * background[..., :3]
        write(arguments.out / f"plate.{frame}.exr", recorded(plate), frame=frame, channels=("R", "G", "B"))
        write(arguments.out / "truth" / f"alpha.{frame}.exr", alpha, frame=frame, channels=("A",))
        if frame == FIRST:
            trimap = key_trimap(alpha[..., 0])
            write_trimap(arguments.out / f"trimap.{frame}.png", trimap)
            print(f"key {frame}: {100 * (trimap == 128).mean():.1f} % unknown")
    size = sum(path.stat().st_size for path in arguments.out.rglob("*.*") if path.suffix in {".exr", ".png"})
    print(f"{arguments.out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
