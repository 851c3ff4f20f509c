"""Auto-PGD: gradient ascent that halves its own step, Croce and Hein 2020, arXiv:2003.01690, section 3."""

from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from generators.aims import Aim, RowLoss, climbed
from generators.balls import columns, lengths, must_be_finite, project, uphill
from generators.margins import Model
from generators.options import Ball
from generators.starts import worst_of_starts

MOMENTUM = 0.75
"""Weight of the newest step (alpha, section 3.1)."""
RISES = 0.75
"""Share of steps since the last look that must have raised the loss, or the step is halved (rho, section 3.2)."""


@dataclass
class _Climb:
    """N rows under way: where they are and were, the best so far, and what decides on halving the step."""

    rows: Tensor
    x: Tensor
    x_adv: Tensor
    x_old: Tensor
    gradient: Tensor
    loss: Tensor
    best: Tensor
    best_loss: Tensor
    best_gradient: Tensor
    step_size: Tensor
    rises: Tensor
    loss_at_look: Tensor
    halved_at_look: Tensor

    def keep(self, chosen: Tensor) -> None:
        """Drop the other rows; `chosen` is int64 or bool (N,)."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[chosen])


def auto_pgd(model: Model, x: Tensor, aim: Aim, ball: Ball, rng: torch.Generator, loss: RowLoss) -> Tensor:
    """Raise a loss within the ball; calls the model `ball.steps` + 1 times a start.

    Args:
        x: float (N, ...) in [0, 1].
        loss: what is climbed.

    Returns:
        x_adv, float (N, ...): of each row a point that the model errs on, or else that of the highest loss.
    """
    must_be_finite(ball, "auto-PGD")
    attempt = partial(_climb, model, ball, rng, loss)
    return worst_of_starts(attempt, model, x, aim, ball, loss)


def _climb(model: Model, ball: Ball, rng: torch.Generator, loss: RowLoss, x: Tensor, aim: Aim) -> Tensor:
    out, broken = x.clone(), x.new_full((len(x),), float("-inf"))
    climb, logits = _begin(model, x, _first_point(x, ball, rng), aim, loss, ball.epsilon)
    _keep_broken(climb, aim.errs(logits), out, broken)
    looks = _looks(ball.steps)
    for step in range(ball.steps):
        if ball.stop_early and (done := broken[climb.rows] > float("-inf")).any():
            climb.keep(~done)
            aim = aim.rows(~done)
        if not len(climb.rows):
            return out
        _move(climb, ball, 1.0 if step == 0 else MOMENTUM)
        logits, value, climb.gradient = climbed(model, climb.x_adv, aim, loss)
        _note(climb, value)
        _keep_broken(climb, aim.errs(logits), out, broken)
        if step in looks:
            _halve(climb, looks[step])
    left = broken[climb.rows] == float("-inf")
    out[climb.rows[left]] = climb.best[left]
    return out


def _first_point(x: Tensor, ball: Ball, rng: torch.Generator) -> Tensor:
    """On the surface of the ball, but for what [0, 1] cuts off."""
    noise = torch.rand(x.shape, generator=rng, dtype=x.dtype, device=rng.device) * 2 - 1
    if ball.norm == "l2":
        noise = torch.randn(x.shape, generator=rng, dtype=x.dtype, device=rng.device)
    noise = noise.to(x.device)
    noise = noise / columns(lengths(noise, ball.norm).clamp_min(1e-12), x)
    return (x + ball.epsilon * noise).clamp(0, 1)


def _begin(model: Model, x: Tensor, start: Tensor, aim: Aim, loss: RowLoss, epsilon: float) -> tuple[_Climb, Tensor]:
    """The climb before its first step, and the logits there."""
    logits, value, gradient = climbed(model, start, aim, loss)
    rows = torch.arange(len(x), device=x.device)
    climb = _Climb(
        rows, x, start, start, gradient, value, start, value, gradient,
        step_size=columns(torch.full_like(value, 2 * epsilon), x),
        rises=torch.zeros_like(rows), loss_at_look=value, halved_at_look=torch.ones_like(rows).bool(),
    )  # fmt: skip
    return climb, logits


def _move(climb: _Climb, ball: Ball, momentum: float) -> None:
    ahead = project(climb.x_adv + climb.step_size * uphill(climb.gradient, ball.norm), climb.x, ball)
    if momentum < 1:
        drift = climb.x_adv - climb.x_old
        ahead = project(climb.x_adv + momentum * (ahead - climb.x_adv) + (1 - momentum) * drift, climb.x, ball)
    climb.x_old, climb.x_adv = climb.x_adv, ahead


def _note(climb: _Climb, value: Tensor) -> None:
    climb.rises = climb.rises + (value > climb.loss)
    climb.loss = value
    better = value > climb.best_loss
    wide = columns(better, climb.x)
    climb.best_loss = torch.where(better, value, climb.best_loss)
    climb.best = torch.where(wide, climb.x_adv, climb.best)
    climb.best_gradient = torch.where(wide, climb.gradient, climb.best_gradient)


def _keep_broken(climb: _Climb, errs: Tensor, out: Tensor, broken: Tensor) -> None:
    """Of the points that the model errs on, a row gives out the one of highest loss."""
    worse = errs & (climb.loss > broken[climb.rows])
    if worse.any():
        out[climb.rows[worse]], broken[climb.rows[worse]] = climb.x_adv[worse], climb.loss[worse]


def _halve(climb: _Climb, since: int) -> None:
    stuck = ~climb.halved_at_look & (climb.loss_at_look >= climb.best_loss)
    halve = (climb.rises <= RISES * since) | stuck
    wide = columns(halve, climb.x)
    climb.step_size = torch.where(wide, climb.step_size / 2, climb.step_size)
    climb.x_adv = torch.where(wide, climb.best, climb.x_adv)
    climb.gradient = torch.where(wide, climb.best_gradient, climb.gradient)
    climb.halved_at_look, climb.loss_at_look = halve, climb.best_loss
    climb.rises = torch.zeros_like(climb.rises)


def _looks(steps: int) -> dict[int, int]:
    """Step after which to look at the progress -> how many steps since the last look (section 3.2)."""
    window, shrink, least = (max(1, int(share * steps)) for share in (0.22, 0.03, 0.06))
    looks, last = {}, -1
    while last + window < steps:
        last += window
        looks[last] = window
        window = max(window - shrink, least)
    return looks
