"""A subject farther away."""

import torch
from torch import Tensor

from generators.severities import at
from generators.warps import linear, warp


@torch.no_grad()
def scale(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Shrink about the centre; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. The severest is MNIST-C's default, 0.7.
    """
    grow = torch.full((len(x),), 1 / at(severity, (0.9, 0.85, 0.8, 0.75, 0.7)))
    return warp(x, linear([[grow, 0 * grow], [0 * grow, grow]]))
