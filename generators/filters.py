"""Convolution of every channel with one kernel; the edge is repeated outwards, so a flat image stays as it is."""

import torch
import torch.nn.functional as F
from torch import Tensor


def convolved(x: Tensor, kernels: Tensor) -> Tensor:
    """Each image of float (N, C, H, W) with its own kernel, float (N, k, k), k odd, sum 1: float (N, C, H, W)."""
    n, channels, height, width = x.shape
    reach = kernels.shape[-1] // 2
    padded = F.pad(x, (reach,) * 4, mode="replicate").reshape(1, n * channels, height + 2 * reach, width + 2 * reach)
    weight = kernels.to(x).repeat_interleave(channels, 0)[:, None]
    return F.conv2d(padded, weight, groups=n * channels).view(n, channels, height, width).clamp(0, 1)


def gaussian_kernel(sigma: float) -> Tensor:
    """Float (k, k), sum 1, cut three sigmas from its centre."""
    reach = max(1, round(3 * sigma))
    line = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma**2))
    return torch.outer(line, line) / line.sum() ** 2


def line_kernels(length: float, angles: Tensor) -> Tensor:
    """Float (N, k, k), sum 1: lines of `length` pixels through the centre at float (N,) angles in radians."""
    reach = max(1, round(length / 2))
    size, dots = 2 * reach + 1, 4 * reach + 1
    along = torch.linspace(-length / 2, length / 2, dots)
    kernels = torch.zeros(len(angles), size * size)
    column, row = torch.cos(angles)[:, None] * along + reach, torch.sin(angles)[:, None] * along + reach
    for right in (0, 1):
        for down in (0, 1):
            place = torch.stack([(row.floor() + down), (column.floor() + right)])
            share = (1 - (row - place[0]).abs()) * (1 - (column - place[1]).abs())
            inside = place.clamp(0, size - 1).long()
            kernels.scatter_add_(1, inside[0] * size + inside[1], share)
    return kernels.view(-1, size, size) / kernels.sum(1)[:, None, None]
