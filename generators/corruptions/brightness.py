"""Overexposure."""

import torch
from torch import Tensor

from generators.severities import at


@torch.no_grad()
def brightness(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Add to every value; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Amounts as in MNIST-C, which adds them to the value of HSV.
    """
    return (x + at(severity, (0.1, 0.2, 0.3, 0.4, 0.5))).clamp(0, 1)
