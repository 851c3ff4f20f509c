"""Salt and pepper: dead pixels and bit errors."""

import torch
from torch import Tensor

from generators.severities import at


@torch.no_grad()
def impulse_noise(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Set a share of the values to 0 or 1, as likely; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Shares as in MNIST-C and ImageNet-C.
    """
    share = at(severity, (0.03, 0.06, 0.09, 0.17, 0.27))
    drawn = torch.rand(x.shape, generator=rng, dtype=x.dtype, device=rng.device).to(x.device)
    return torch.where(drawn < share, (drawn < share / 2).to(x), x)
