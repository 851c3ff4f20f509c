"""DeepFool, Moosavi-Dezfooli et al. 2016, arXiv:1511.04599."""

import torch
from torch import Tensor

from generators.aims import Aim, aim_of
from generators.balls import columns, lengths, uphill
from generators.boundary import bisect_to_margin
from generators.margins import Model
from generators.options import Ball
from generators.planes import distances, nearest_plane

OVERSHOOT = 0.02
"""How much further than to the plane, as a share of the whole step (eta, section 3)."""
LEAST = 1e-4
"""Least length of a step, in input units: where [0, 1] cuts steps short, they would end just before the boundary."""
HALVINGS = 10
"""Of the way back to the boundary, since the last step is often too long."""


def deepfool(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    """Step to the nearest of the model's boundaries, as planes, until it errs.

    From float (N, ...) to float (N, ...), see `Attack`.
    `ball.steps` steps at most, each a forward pass and up to nine backward passes for the rows still standing; then a
    bisection of ten forward passes, which the paper lacks, straight back to the boundary. Points are cut to [0, 1]; a
    row that needs more than `ball.epsilon` stays where it was.
    """
    aim = aim_of(x, y, y_target)
    broken = _walk(model, x, aim, ball)
    beyond = torch.full((len(x),), -1e-4, dtype=x.dtype, device=x.device)
    x_adv = bisect_to_margin(model, x, broken, aim.y, beyond, steps=HALVINGS)
    return torch.where(columns(lengths(x_adv - x, ball.norm) <= ball.epsilon, x), x_adv, x)


def _walk(model: Model, x: Tensor, aim: Aim, ball: Ball) -> Tensor:
    """Points that the model errs on, float (N, ...); of a row without, x itself."""
    out, rows, delta = x.clone(), torch.arange(len(x), device=x.device), torch.zeros_like(x)
    for step in range(ball.steps + 1):
        x_adv = (x + (1 + OVERSHOOT) * delta).clamp(0, 1)
        logits, plane = nearest_plane(aim.asked(model), x_adv, aim.y, ball.norm, aim.y_target)
        errs = aim.errs(logits)
        out[rows[errs]] = x_adv[errs]
        if step == ball.steps or errs.all():
            break
        delta = delta + columns(distances(plane, ball.norm) + LEAST, x) * uphill(plane.slope, ball.norm)
        rows, x, delta, aim = rows[~errs], x[~errs], delta[~errs], aim.rows(~errs)
    return out
