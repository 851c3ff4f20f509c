"""Auto-PGD on the difference of logits ratio, Croce and Hein 2020, arXiv:2003.01690."""

import torch
from torch import Tensor

from generators.aims import aim_of, logits_ratio
from generators.ascent import auto_pgd
from generators.margins import Model
from generators.options import Ball


def apgd_dlr(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    """Raise the difference of logits ratio, which the logits' scale does not change.

    From float (N, ...) to float (N, ...); see `Attack` and `auto_pgd`.
    """
    return auto_pgd(model, x, aim_of(x, y, y_target), ball, rng, logits_ratio)
