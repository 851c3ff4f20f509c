"""Pictures to tensors and between sizes."""

from enum import Enum

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class InterpolationMode(Enum):
    """How pixels between pixels are made up."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def to_tensor(picture: Image.Image) -> Tensor:
    """Float (C, H, W) in [0, 1]."""
    pixels = np.array(picture)
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1).contiguous() / 255


def resize(picture: Image.Image, size: tuple[int, int], interpolation: InterpolationMode) -> Image.Image:
    """To (height, width)."""
    return picture.resize(size[::-1], Image.Resampling[interpolation.name])
