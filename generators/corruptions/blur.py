"""A lens out of focus."""

import torch
from torch import Tensor

from generators.filters import convolved, gaussian
from generators.severities import at


@torch.no_grad()
def blur(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Blur by a Gaussian; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. The deviation is the larger of CIFAR-10-C's in pixels and ImageNet-C's as
    a share of its 224 pixels.
    """
    pixels, share = at(severity, ((0.4, 1), (0.6, 2), (0.7, 3), (0.8, 4), (1.0, 6)))
    line = gaussian(max(pixels, share / 224 * min(x.shape[2:]))).expand(len(x), -1)
    return convolved(convolved(x, line[:, None, :]), line[:, :, None])
