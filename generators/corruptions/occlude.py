"""Something in front of the lens: Cutout, DeVries and Taylor 2017, arXiv:1708.04552, in grey."""

import torch
from torch import Tensor

from generators.severities import at


@torch.no_grad()
def occlude(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Cover a square anywhere within the image with grey; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Its side is a share of the image's.
    """
    share = at(severity, (0.15, 0.2, 0.25, 0.3, 0.35))
    height, width = x.shape[2:]
    side = share * min(height, width)
    corner = torch.rand(2, len(x), 1, generator=rng, device=rng.device).to(x.device)
    rows = _covered(corner[0] * (height - side), side, height)
    columns = _covered(corner[1] * (width - side), side, width)
    return torch.lerp(x, torch.full_like(x, 0.5), (rows[:, :, None] * columns[:, None, :])[:, None].to(x))


def _covered(start: Tensor, length: float, size: int) -> Tensor:
    """How much of each of `size` pixels lies under a bar from float (N, 1): float (N, size) in [0, 1]."""
    pixel = torch.arange(size, device=start.device)
    return (torch.minimum(start + length, pixel + 1) - torch.maximum(start, pixel)).clamp_min(0)
