"""The ball that an attack may not leave: geometry of L-inf and L2 balls around each input, cut by [0, 1]."""

import math

import torch
from torch import Tensor

from generators.options import Ball, Norm


def lengths(delta: Tensor, norm: Norm) -> Tensor:
    """Norm of each row of float (N, ...): float (N,)."""
    flat = delta.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else torch.linalg.vector_norm(flat, dim=1)


def columns(values: Tensor, like: Tensor) -> Tensor:
    """Float (N,) as (N, 1, ...), to multiply float (N, ...) row by row."""
    return values.view(-1, *[1] * (like.ndim - 1))


def project(x_adv: Tensor, x: Tensor, ball: Ball) -> Tensor:
    """The nearest points, float (N, ...), in the ball around x, then in [0, 1], which leads no row out again."""
    if ball.norm == "linf":
        return torch.clamp(x_adv, (x - ball.epsilon).clamp_min(0), (x + ball.epsilon).clamp_max(1))
    delta = x_adv - x
    shrink = (ball.epsilon / lengths(delta, "l2").clamp_min(1e-12)).clamp_max(1)
    return (x + delta * columns(shrink, x)).clamp(0, 1)


def uphill(gradient: Tensor, norm: Norm) -> Tensor:
    """The step of length 1 that raises a linear function most, float (N, ...); 0 where the gradient is."""
    if norm == "linf":
        return gradient.sign()
    return gradient / columns(lengths(gradient, "l2").clamp_min(1e-12), gradient)


def random_point(x: Tensor, ball: Ball, rng: torch.Generator) -> Tensor:
    """A uniform point of the ball around each row of x, float (N, ...) in [0, 1]; draws on the device of `rng`."""
    if ball.norm == "linf":
        start = torch.rand(x.shape, generator=rng, dtype=x.dtype, device=rng.device) * 2 - 1
        return (x + start.to(x.device) * ball.epsilon).clamp(0, 1)
    direction = torch.randn(x.shape, generator=rng, dtype=x.dtype, device=rng.device).to(x.device)
    radius = torch.rand(len(x), generator=rng, dtype=x.dtype, device=rng.device).to(x.device)
    reach = ball.epsilon * radius ** (1 / max(1, x[0].numel()))
    return (x + uphill(direction, "l2") * columns(reach, x)).clamp(0, 1)


def must_be_finite(ball: Ball, attack: str) -> None:
    """Refuse a ball without a radius.

    Raises:
        ValueError: epsilon is infinite, and this attack goes as far as it may.
    """
    if not math.isfinite(ball.epsilon):
        raise ValueError(f"{attack} needs a finite epsilon, got {ball.epsilon}")


def unbroken(found: Tensor, ball: Ball) -> Tensor:
    """Bool (N,): rows worth another try, given how near an error was found, float (N,), inf for none.

    With `ball.stop_early`, those without an error in the ball; else all that are not wrong at x itself.
    """
    return found.isinf() | (found > (ball.epsilon if ball.stop_early else 0))
