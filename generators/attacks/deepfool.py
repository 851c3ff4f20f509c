"""DeepFool, Moosavi-Dezfooli et al. 2016, arXiv:1511.04599."""

import torch
from torch import Tensor

from generators.aims import aim_of
from generators.balls import Ball, lengths
from generators.margins import Model
from generators.planes import nearest_plane, step_to_plane

OVERSHOOT = 0.02
"""How much further than to the plane, as a share of the whole step (eta, section 3)."""


def deepfool(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    """Step to the nearest of the model's boundaries, as planes, until it errs; see `Attack`.

    `ball.steps` steps at most, each a forward pass and up to nine backward passes for the rows still standing. Steps
    stay in [0, 1]; a row that needs more than `ball.epsilon` stays where it was.
    """
    aim = aim_of(x, y, y_target)
    out, rows, delta = x.clone(), torch.arange(len(x), device=x.device), torch.zeros_like(x)
    start = x
    for step in range(ball.steps + 1):
        x_adv = (start + (1 + OVERSHOOT) * delta).clamp(0, 1)
        logits, plane = nearest_plane(model, x_adv, aim.y, ball.norm, aim.y_target)
        errs = aim.errs(logits)
        kept = errs & (lengths(x_adv - start, ball.norm) <= ball.epsilon)
        out[rows[kept]] = x_adv[kept]
        if step == ball.steps or errs.all():
            break
        delta = delta + step_to_plane(x_adv, plane.slope, plane.offset, ball.norm)
        rows, start, delta, aim = rows[~errs], start[~errs], delta[~errs], aim.rows(~errs)
    return out
