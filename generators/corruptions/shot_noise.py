"""Noise of few photons."""

import torch
from torch import Tensor

from generators.severities import at


@torch.no_grad()
def shot_noise(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Count photons, so many a white pixel on average; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Counts as in MNIST-C and ImageNet-C.
    """
    photons = at(severity, (60, 25, 12, 5, 3))
    counted = torch.poisson((x * photons).to(rng.device), generator=rng)
    return (counted.to(x.device) / photons).clamp(0, 1)
