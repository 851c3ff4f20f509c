"""A subject off centre."""

import torch
from torch import Tensor

from generators.severities import at
from generators.warps import shifts, signs, warp


@torch.no_grad()
def translate(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Shift along both axes, to either side; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Shares of the side: MNIST-C's pixels of its 28.
    """
    share = at(severity, (1, 2, 3, 4, 5)) / 28
    down, right = (2 * share * signs(len(x), rng) for _ in range(2))  # the image is 2 wide
    return warp(x, shifts(right, down))
