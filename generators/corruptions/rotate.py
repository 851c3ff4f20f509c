"""A sheet that lies askew."""

import torch
from torch import Tensor

from generators.severities import at
from generators.warps import linear, signs, warp


@torch.no_grad()
def rotate(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Rotate to either side; see `Corruption`.

    From and to float (N, C, H, W) in [0, 1]. In radians, half of MNIST-C's, whose default, 0.4, is our 4.
    """
    angle = at(severity, (0.1, 0.2, 0.3, 0.4, 0.5)) * signs(len(x), rng)
    height, width = x.shape[2:]
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return warp(x, linear([[cosine, -sine * height / width], [sine * width / height, cosine]]))
