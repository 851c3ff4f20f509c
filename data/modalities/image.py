"""Images: float (C, H, W) in [0, 1] in memory, 8-bit PNG (grey or RGB) at rest."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data.errors import Damaged

extension = "png"


def encode(image: Tensor) -> bytes:
    """PNG bytes of one image, float (C, H, W) in [0, 1] with C of 1 or 3; same pixels, same bytes.

    Raises:
        ValueError: another number of channels, or a value outside [0, 1].
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"an image is (1 or 3, H, W), got {tuple(image.shape)}")
    if not ((image >= 0) & (image <= 1)).all():
        raise ValueError(f"pixels lie in [0, 1], got {image.min():.3g} to {image.max():.3g}")
    pixels = quantise(image).permute(1, 2, 0).numpy()
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "png", compress_level=6)
    return out.getvalue()


def decode(content: bytes) -> Tensor:
    """The uint8 (C, H, W) pixels of a grey or RGB PNG.

    Raises:
        Damaged: not such an image.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["png"]) as image:
            if image.mode not in ("L", "RGB"):
                raise Damaged(f"a PNG of mode {image.mode}: only grey (L) and RGB are read")
            pixels = np.array(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise Damaged(f"not a readable PNG ({error})") from error
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)


def quantise(images: Tensor) -> Tensor:
    """The uint8 pixels that float images in [0, 1] are stored as; any shape."""
    return (images * 255).round().to(torch.uint8)


def stored(images: Tensor) -> Tensor:
    """Float images as a reader of the shard will see them: rounded to the 8 bits a PNG keeps; any shape, in [0, 1]."""
    return quantise(images).to(torch.float32) / 255
