"""Projected gradient descent, Madry et al. 2018, arXiv:1706.06083."""

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.balls import Ball
from generators.margins import Model


def pgd(model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None) -> Tensor:
    """Raise the cross-entropy within the ball, from a random start.

    Args:
        model: inputs (N, ...) -> logits (N, K); called `ball.steps` times.
        x: float (N, ...) in [0, 1].
        y: labels, int64 (N,), or soft labels, float (N, K).
        ball: radius, norm, steps.
        rng: draws the start.

    Returns:
        x_adv, float (N, ...) in [0, 1], no entry further than `ball.epsilon` from x.

    Raises:
        ValueError: x leaves [0, 1] or holds NaN.
    """
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must lie in [0, 1], got {x.min():.3g} to {x.max():.3g}")
    low, high = (x - ball.epsilon).clamp_min(0), (x + ball.epsilon).clamp_max(1)
    start = torch.rand(x.shape, generator=rng, dtype=x.dtype) * 2 - 1
    x_adv = (x + start * ball.epsilon).clamp(0, 1)
    for _ in range(ball.steps):
        with torch.enable_grad():
            x_adv.requires_grad_(True)
            loss = F.cross_entropy(model(x_adv), y, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, x_adv)
        x_adv = x_adv.detach() + ball.step_size * gradient.sign()
        x_adv = torch.clamp(x_adv, low, high)
    return x_adv.detach()
