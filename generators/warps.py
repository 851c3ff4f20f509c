"""Affine warps: what comes in from outside the image is black, as in MNIST-C."""

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(x: Tensor, matrices: Tensor) -> Tensor:
    """Each image seen through its matrix, bilinear.

    Args:
        x: float (N, C, H, W) in [0, 1].
        matrices: float (N, 2, 3): a place of the result, (column, row, 1) with the image from -1 to 1 both ways, to the
            place of x that is shown there.

    Returns:
        Float (N, C, H, W) in [0, 1].
    """
    grid = F.affine_grid(matrices.to(x), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False).clamp(0, 1)


def linear(rows: list[list[Tensor]]) -> Tensor:
    """Matrices, float (N, 2, 3), that keep the centre, from two rows of two float (N,)."""
    return F.pad(torch.stack([torch.stack(row, 1) for row in rows], 1), (0, 1))


def shifts(right: Tensor, down: Tensor) -> Tensor:
    """Matrices, float (N, 2, 3), that shift by float (N,) where the image is 2 wide and 2 high."""
    return torch.cat([torch.eye(2).expand(len(right), 2, 2), -torch.stack([right, down], 1)[:, :, None]], 2)


def signs(count: int, rng: torch.Generator) -> Tensor:
    """Float (count,) of -1 and 1, as likely, in main memory."""
    return torch.randint(2, (count,), generator=rng, device=rng.device).cpu().float() * 2 - 1
