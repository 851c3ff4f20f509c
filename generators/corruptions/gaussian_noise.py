"""Noise of a sensor in the dark."""

import torch
from torch import Tensor

from generators.severities import at


@torch.no_grad()
def gaussian_noise(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Add normal noise; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Deviations as in MNIST-C and ImageNet-C.
    """
    deviation = at(severity, (0.08, 0.12, 0.18, 0.26, 0.38))
    noise = torch.randn(x.shape, generator=rng, dtype=x.dtype, device=rng.device).to(x.device)
    return (x + deviation * noise).clamp(0, 1)
