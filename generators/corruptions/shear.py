"""Slanted writing."""

import torch
from torch import Tensor

from generators.severities import at
from generators.warps import linear, signs, warp


@torch.no_grad()
def shear(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Slant to either side; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Columns a row, half of MNIST-C's, whose default, 0.4, is our 4.
    """
    slant = at(severity, (0.1, 0.2, 0.3, 0.4, 0.5)) * signs(len(x), rng)
    height, width = x.shape[2:]
    one = torch.ones_like(slant)
    return warp(x, linear([[one, slant * height / width], [0 * one, one]]))
