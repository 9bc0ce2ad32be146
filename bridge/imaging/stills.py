"""Small pictures for people: shrunk into a width, over black, as JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.imaging.curves import Curve, encode_srgb
from bridge.imaging.resample import resized

Floats = NDArray[np.float32]
QUALITY = 88


def within(picture: Floats, *, width: int) -> Floats:
    """Return a picture at most so many pixels wide, its shape kept. picture: H×W or H×W×3 float32."""
    rows, columns = picture.shape[:2]
    if columns <= width:
        return picture
    return resized(picture, width=width, height=max(1, round(rows * width / columns)))


def over_black(picture: Floats, alpha: Floats) -> Floats:
    """Return a picture over black, H×W×3 float32 in sRGB values 0..1, mixed in light as a compositor would.

    picture: H×W×3 float, unpremultiplied, sRGB values 0..1; alpha: H×W float, 0..1.
    """
    light = Curve.SRGB.decode(np.asarray(picture, np.float64)) * np.asarray(alpha, np.float64)[..., None]
    return encode_srgb(light).astype(np.float32)


def jpeg(picture: Floats) -> bytes:
    """Return a picture as JPEG. picture: H×W or H×W×3 float, sRGB values; NaN is 0, the rest is clipped to 0..1."""
    values = np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)
    turned = values if values.ndim == 2 else cv2.cvtColor(values, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
