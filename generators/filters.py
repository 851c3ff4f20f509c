"""Convolution of every channel of an image; the edge is repeated outwards, so a flat image stays as it is."""

import torch
import torch.nn.functional as F
from torch import Tensor


def convolved(x: Tensor, kernels: Tensor) -> Tensor:
    """Each image of float (N, C, H, W) with its own kernel, float (N, h, w), h and w odd, sum 1: float (N, C, H, W)."""
    n, channels, height, width = x.shape
    down, right = (size // 2 for size in kernels.shape[1:])
    padded = F.pad(x, (right, right, down, down), mode="replicate").flatten(0, 1)[None]
    weight = kernels.to(x).repeat_interleave(channels, 0)[:, None]
    return F.conv2d(padded, weight, groups=n * channels).view(n, channels, height, width).clamp(0, 1)


def gaussian(sigma: float) -> Tensor:
    """Float (k,), sum 1, cut three sigmas from its centre; sigma in pixels."""
    reach = max(1, round(3 * sigma))
    weights = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def lines(length: float, angles: Tensor) -> Tensor:
    """Float (N, k, k), sum 1: lines of `length` pixels through the centre, at float (N,) angles in radians.

    Each is a row of dots closer than a pixel, every dot dealt to the four pixels around it.
    """
    reach = max(1, round(length / 2))
    size = 2 * reach + 1
    along = torch.linspace(-length / 2, length / 2, 4 * reach + 1)
    row, column = torch.sin(angles)[:, None] * along + reach, torch.cos(angles)[:, None] * along + reach
    kernels = torch.zeros(len(angles), size * size)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y, x = row.floor() + down, column.floor() + right
        share = (1 - (row - y).abs()) * (1 - (column - x).abs())
        place = y.clamp(0, size - 1) * size + x.clamp(0, size - 1)
        kernels.scatter_add_(1, place.long(), share)
    return kernels.view(-1, size, size) / kernels.sum(1)[:, None, None]
