"""Auto-PGD on the cross-entropy, Croce and Hein 2020, arXiv:2003.01690."""

import torch
from torch import Tensor

from generators.aims import aim_of, cross_entropy
from generators.ascent import auto_pgd
from generators.margins import Model
from generators.options import Ball


def apgd_ce(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    """Raise the cross-entropy within the ball; float (N, ...) to float (N, ...), see `Attack` and `auto_pgd`."""
    return auto_pgd(model, x, aim_of(x, y, y_target), ball, rng, cross_entropy)
