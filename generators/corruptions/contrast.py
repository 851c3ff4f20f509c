"""Fog and dull light."""

import torch
from torch import Tensor

from generators.severities import at


@torch.no_grad()
def contrast(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Draw every channel towards its mean; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Shares that stay as in MNIST-C and ImageNet-C.
    """
    mean = x.mean((2, 3), keepdim=True)
    return torch.lerp(mean, x, at(severity, (0.4, 0.3, 0.2, 0.1, 0.05))).clamp(0, 1)
