"""What a camera and a delivery do to a composite: defocus, noise, sharpening, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def degraded(rng: np.random.Generator, plates: Floats, *, linear: bool) -> Floats:
    """Return T×H×W×3 plates as delivered. Scene-linear ones get sensor noise; display-referred ones sharpening, grain, JPEG too.

    The same strengths hold for a whole clip; the noise of each frame is its own, and now and then one frame is worse.
    """
    blur = rng.uniform(0.3, 0.8) if rng.random() < 0.25 else 0.0
    shot, read = 0.06 * rng.random() ** 3, 0.02 * rng.random() ** 2
    sharpen = rng.uniform(0.2, 1.0) if not linear and rng.random() < 0.3 else 0.0
    quality = int(rng.integers(55, 98)) if not linear and rng.random() < 0.35 else None
    frames = []
    for plate in plates:
        worse = rng.uniform(1.5, 3.0) if rng.random() < 0.15 else 1.0
        image = cv2.GaussianBlur(plate, (0, 0), blur) if blur else plate
        if sharpen:
            image = image + sharpen * (image - cv2.GaussianBlur(image, (0, 0), 1.0))
        grain = rng.standard_normal(image.shape, dtype=np.float32) * worse
        image = image + grain * (read * (0.3 if linear else 1.0) + shot * np.sqrt(np.maximum(image, 0)))
        frames.append(_coded(image, quality) if quality else image)
    result = np.stack(frames)
    return np.maximum(result, 0.0) if linear else np.clip(result, 0.0, 1.0)


def _coded(image: Floats, quality: int) -> Floats:
    eight = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    _, data = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32) / np.float32(255.0)
