"""The fast gradient sign method, Goodfellow et al. 2015, arXiv:1412.6572."""

import torch
from torch import Tensor

from generators.aims import aim_of, climbed, cross_entropy
from generators.balls import project, uphill
from generators.margins import Model
from generators.options import Ball


def fgsm(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    """One step of `ball.epsilon` up the cross-entropy, by its sign (L-inf) or its direction (L2).

    From float (N, ...) to float (N, ...), see `Attack`. Calls the model once and draws nothing. With a random start
    it is `pgd` of one step.
    """
    aim = aim_of(x, y, y_target)
    _, _, gradient = climbed(model, x, aim, cross_entropy)
    return project(x + ball.epsilon * uphill(gradient, ball.norm), x, ball)
