"""Pack footage for training: python -m bridge.evaluation.footage --data ../shared/data --foregrounds DIR --out PACK.safetensors.

Photographs, panoramas, video frames and cut-outs become 8-bit tensors in one file, outside the repository.
Nothing of `validation/` is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge import exr
from bridge.imaging.resample import resized
from bridge.imaging.spaces import LINEAR_REC709
from bridge.imaging.view import ViewTransform
from bridge.training.footage import Bytes, coded_light, filled, save_pack, video_frames, video_run
from bridge.wire.errors import ImageError

LONG_SIDE = 1024
CUTOUT_SIDE = 512
RUN, RUN_HEIGHT = 24, 320
Floats = NDArray[np.float32]


def photographs(data: Path) -> Iterator[Bytes]:
    """Yield backgrounds and frames of the clips, H×W×3 uint8, display-referred."""
    for path in sorted((data / "backgrounds").glob("*.jp*g")) + sorted((data / "backgrounds").glob("*.png")):
        yield _eight(_fitted(exr.read_plate(path).rgb.astype(np.float32), LONG_SIDE))
    for path in sorted((data / "video").iterdir()):
        yield from video_frames(path, count=4)


def panoramas(data: Path) -> Iterator[Bytes]:
    """Yield panoramas, their median light at 0.18, H×W×3 uint8 logarithmic codes; poles left out."""
    for path in sorted((data / "hdri").rglob("*.exr")):
        light = exr.read_plate(path).rgb.astype(np.float32)
        light = light[light.shape[0] // 8 : -light.shape[0] // 8]
        yield coded_light(light * (0.18 / max(1e-4, float(np.median(light)))))


def runs(data: Path) -> Iterator[Bytes]:
    """Yield frames that follow each other, of every video, T×H×W×3 uint8."""
    for path in sorted((data / "video").iterdir()):
        run = video_run(path, count=RUN, height=RUN_HEIGHT)
        if run is not None:
            yield run


def cutouts(foregrounds: Path | None) -> Iterator[Bytes]:
    """Yield rendered cut-outs, H×W×4 uint8: display-referred colour defined everywhere, straight alpha."""
    transform = ViewTransform(LINEAR_REC709)
    for path in sorted(foregrounds.glob("*.exr")) if foregrounds else []:
        premultiplied, alpha = exr.read_plate(path).rgb.astype(np.float32), _alpha(path)
        yield _joined(transform.view(filled(premultiplied, alpha)), alpha)


def effects(data: Path) -> Iterator[Bytes]:
    """Yield motion graphics as cut-outs, H×W×4 uint8."""
    for path in sorted((data / "alpha" / "vapx").glob("*.png"))[::2] + sorted((data / "alpha" / "vfx").rglob("*.png")):
        colour, alpha = exr.read_plate(path).rgb.astype(np.float32), _alpha(path)
        if 0.02 < float(alpha.mean()) < 0.98:
            yield _joined(filled(colour * alpha[..., None], alpha), alpha)
    for path in sorted((data / "alpha" / "particles").glob("*.png"))[::6]:
        colour = exr.read_plate(path).rgb.astype(np.float32)
        alpha = colour.max(-1)
        yield _joined(filled(colour, alpha), alpha)
    for path in sorted((data / "alpha" / "alphaplayer").glob("*.mp4")):
        yield from (_side_by_side(frame) for frame in video_frames(path, count=10))


def _side_by_side(frame: Bytes) -> Bytes:
    """Split a frame whose left half is alpha as grey and whose right half is colour."""
    picture = frame.astype(np.float32) / 255.0
    half = picture.shape[1] // 2
    alpha = np.ascontiguousarray(picture[:, :half].mean(-1))
    return _joined(np.ascontiguousarray(picture[:, half : 2 * half]), alpha)


def _alpha(path: Path) -> Floats:
    return np.clip(exr.read_channel(path, channel="A").values, 0, 1)


def _joined(colour: Floats, alpha: Floats) -> Bytes:
    return _eight(_fitted(np.concatenate([colour, alpha[..., None]], -1), CUTOUT_SIDE))


def _fitted(image: Floats, long_side: int) -> Floats:
    scale = min(1.0, long_side / max(image.shape[:2]))
    return resized(image, width=round(image.shape[1] * scale), height=round(image.shape[0] * scale))


def _eight(image: Floats) -> Bytes:
    return np.ascontiguousarray(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def main() -> None:
    """Pack as the command line says and print what went in."""
    parser = argparse.ArgumentParser(prog="python -m bridge.evaluation.footage", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--foregrounds", type=Path, help="rendered cut-outs, premultiplied scene-linear RGBA EXR")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    data: Path = args.data
    try:
        pack = {
            "photographs": list(photographs(data)),
            "panoramas": list(panoramas(data)),
            "runs": list(runs(data)),
            "cutouts": list(cutouts(args.foregrounds)),
            "effects": list(effects(data)),
        }
    except ImageError as error:
        parser.exit(error.exit_status, f"{error}\n")
    save_pack(args.out, **pack)
    print(", ".join(f"{len(items)} {kind}" for kind, items in pack.items()), "in", args.out)


if __name__ == "__main__":
    main()
