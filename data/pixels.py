"""From whatever a source holds to the pixels that are kept, uint8 (C, H, W); what cannot be is refused and why."""

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.refused import Refused

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")
MOST_PIXELS = 64 * 2**20
"""Of the largest image that is decoded: a header may claim more than memory holds."""
_MODES = {1: "L", 3: "RGB"}


def pixels_of(image: bytes | np.ndarray, *, size: int = 0, channels: int = 0) -> np.ndarray:
    """The pixels of one image.

    Args:
        image: an encoded image, or uint8 or float in [0, 1], (H, W), (H, W, C) or (C, H, W).
        size: resize to this many pixels a side; 0 leaves it.
        channels: convert to grey (1) or RGB (3); 0 refuses all but those two.

    Returns:
        uint8 (C, H, W), C of 1 or 3.

    Raises:
        Refused: the reason is one of empty, bomb, truncated, not_an_image, wrong_mode, wrong_shape, not_finite and
            out_of_range.
    """
    picture = _decoded(image) if isinstance(image, bytes) else _from_array(image)
    if picture.mode[0] in "IF":  # converting would clip
        raise Refused("wrong_mode", f"mode {picture.mode}, more than 8 bits a pixel")
    if channels:
        picture = picture.convert(_MODES[channels])
    if picture.mode not in _MODES.values():
        raise Refused("wrong_mode", f"mode {picture.mode}, not grey or RGB: set source.channels to convert")
    if size and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    found = np.asarray(picture)
    return found[None] if found.ndim == 2 else np.ascontiguousarray(found.transpose(2, 0, 1))


def _decoded(content: bytes) -> Image.Image:
    if not content:
        raise Refused("empty", "no bytes")
    try:
        with warnings.catch_warnings(action="error"):
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise Refused("bomb", f"claims {picture.width} x {picture.height} pixels")
            picture.load()
    except UnidentifiedImageError as error:
        raise Refused("not_an_image", f"none of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused("bomb", str(error)) from error
    except Refused:
        raise
    except Exception as error:  # whatever a decoder makes of damaged bytes
        raise Refused("truncated", f"{type(error).__name__}: {error}") from error
    return picture


def _from_array(found: np.ndarray) -> Image.Image:
    if found.ndim == 3 and found.shape[0] in (1, 3) and found.shape[2] not in (1, 3):
        found = found.transpose(1, 2, 0)
    if found.ndim == 3 and found.shape[2] == 1:
        found = found[:, :, 0]
    if found.ndim not in (2, 3) or (found.ndim == 3 and found.shape[2] != 3) or not found.size:
        raise Refused("wrong_shape", f"shape {found.shape} is no image")
    if found.dtype.kind == "f":
        if not np.isfinite(found).all():
            raise Refused("not_finite", "a pixel is NaN or infinite")
        if not ((found >= 0) & (found <= 1)).all():
            raise Refused("out_of_range", f"float pixels lie in [0, 1], got {found.min():.3g} to {found.max():.3g}")
        found = (found.astype(np.float64) * 255).round().astype(np.uint8)
    if found.dtype != np.uint8:
        raise Refused("out_of_range", f"pixels are uint8, or float in [0, 1], got {found.dtype}")
    return Image.fromarray(np.ascontiguousarray(found))
