"""Too low a resolution, shown larger."""

import torch
from torch import Tensor

from generators.severities import at

SMALL = 64
"""Pixels: up to this side our own shares, as ImageNet-C's would leave 2x2 of an 8x8 image; ours leave 4x4."""


@torch.no_grad()
def pixelate(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Shrink to a share of the side, and grow again, a value being the mean of what it covers; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1].
    """
    small, large = at(severity, ((0.9, 0.6), (0.8, 0.5), (0.7, 0.4), (0.6, 0.3), (0.5, 0.25)))
    share = small if min(x.shape[2:]) <= SMALL else large
    down, right = (_there_and_back(size, max(1, int(share * size))).to(x) for size in x.shape[2:])
    return (down @ x @ right.mT).clamp(0, 1)


def _there_and_back(size: int, fewer: int) -> Tensor:
    """Float (size, size): a line of pixels -> the same line drawn with fewer."""
    cells = torch.linspace(0, size, fewer + 1)
    pixel = torch.arange(size)
    ends, starts = torch.minimum(cells[1:, None], pixel + 1), torch.maximum(cells[:-1, None], pixel)
    covered = (ends - starts).clamp_min(0)
    return covered.T @ (covered / covered.sum(1, keepdim=True))
