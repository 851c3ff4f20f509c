"""A camera that moved."""

import math

import torch
from torch import Tensor

from generators.filters import convolved, lines
from generators.severities import at


@torch.no_grad()
def motion_blur(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Blur along a line of any direction; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. Lengths are our own, in pixels and shares of the side.
    """
    pixels, share = at(severity, ((1.5, 0.03), (2, 0.05), (2.5, 0.08), (3, 0.11), (4, 0.14)))
    angles = torch.rand(len(x), generator=rng, device=rng.device).cpu() * math.pi
    return convolved(x, lines(max(pixels, share * min(x.shape[2:])), angles))
