"""Affine warps: what comes in from outside the image is black, as in MNIST-C."""

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(x: Tensor, matrix: Tensor) -> Tensor:
    """Each image seen through its matrix, bilinear.

    Args:
        x: float (N, C, H, W) in [0, 1].
        matrix: float (N, 2, 3): a place of the result, (column, row, 1) with the image from -1 to 1, -> the place of x
            that is shown there.

    Returns:
        Float (N, C, H, W) in [0, 1].
    """
    grid = F.affine_grid(matrix.to(x), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False).clamp(0, 1)


def signs(count: int, rng: torch.Generator) -> Tensor:
    """Float (count,) of -1 and 1, as likely."""
    return torch.randint(2, (count,), generator=rng, device=rng.device).float() * 2 - 1


def matrices(rows: list[list[Tensor]]) -> Tensor:
    """Float (N, 2, 3) from two rows of three float (N,)."""
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
