"""Projected gradient descent, Madry et al. 2018, arXiv:1706.06083."""

from functools import partial

import torch
from torch import Tensor

from generators.aims import Aim, aim_of, climbed, cross_entropy
from generators.balls import must_be_finite, project, random_point, uphill
from generators.margins import Model
from generators.options import Ball
from generators.starts import worst_of_starts


def pgd(model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None) -> Tensor:
    """Raise the cross-entropy within the ball by `ball.steps` steps of `ball.step_size`.

    From float (N, ...) to float (N, ...), see `Attack`.
    Calls the model once a step, and once more a start when there are several. Without `ball.stop_early` a row's last
    point counts, as in adversarial training; with it, the first that the model errs on.
    """
    must_be_finite(ball, "pgd")
    attempt = partial(_ascend, model, ball, rng)
    return worst_of_starts(attempt, model, x, aim_of(x, y, y_target), ball, cross_entropy)


def _ascend(model: Model, ball: Ball, rng: torch.Generator, x: Tensor, aim: Aim) -> Tensor:
    x_adv = random_point(x, ball, rng) if ball.random_start else x
    out, rows = x_adv.clone(), torch.arange(len(x), device=x.device)
    for _ in range(ball.steps):
        logits, _, gradient = climbed(model, x_adv, aim, cross_entropy)
        if ball.stop_early and (done := aim.errs(logits)).any():
            out[rows[done]] = x_adv[done]
            rows, x, x_adv, gradient = (part[~done] for part in (rows, x, x_adv, gradient))
            aim = aim.rows(~done)
            if not len(rows):
                return out
        x_adv = project(x_adv + ball.step_size * uphill(gradient, ball.norm), x, ball)
    out[rows] = x_adv
    return out
