"""Differentiable augmentation, so that a network cannot learn a small training set by heart.

Of discriminators: Zhao et al. 2020, arXiv:2006.10738, the same kind of transform on real and generated
images, gradients passing through.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(x: Tensor, rng: torch.Generator, *, most: int = 1) -> Tensor:
    """Shift by up to `most` pixels, scale the contrast by up to 20 %: float (N, C, H, W) in, the same shape out."""
    contrast = 0.8 + 0.4 * torch.rand(len(x), 1, 1, 1, generator=rng)
    return shift(x, rng, most=most) * contrast.to(x)


def shift(x: Tensor, rng: torch.Generator, *, most: int = 1) -> Tensor:
    """Move each image, float (N, C, H, W), by up to `most` pixels each way; zeros come in from outside."""
    n, channels, height, width = x.shape
    # Drawn in main memory, so that a seed means the same on any device.
    down, right = (torch.randint(-most, most + 1, (n, 1), generator=rng) for _ in range(2))
    rows = (torch.arange(height) + most + down)[:, None, :, None].expand(n, channels, height, width + 2 * most)
    columns = (torch.arange(width) + most + right)[:, None, None, :].expand(n, channels, height, width)
    return F.pad(x, (most,) * 4).gather(2, rows.to(x.device)).gather(3, columns.to(x.device))


def delay(x: Tensor, rng: torch.Generator, *, most: int, dim: int) -> Tensor:
    """Move each row of x (N, ...) by 0 to `most` places along its dimension `dim`, 1 or more; zeros come in first."""
    length, along = x.shape[dim], [1] * x.ndim
    later = torch.randint(0, most + 1, (len(x),), generator=rng)
    places = torch.arange(length)[None, :] - later[:, None]
    along[0], along[dim] = len(x), length
    moved = x.gather(dim, places.clamp_min(0).view(along).expand_as(x))
    return torch.where((places >= 0).view(along), moved, torch.zeros_like(x))
