"""The L2 attack of Carlini and Wagner 2017, arXiv:1608.04644."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from generators.aims import Aim, aim_of
from generators.balls import columns, lengths, unbroken
from generators.margins import Model, margins_of
from generators.options import Ball

SEARCHES = 9
"""Values of the weight of being wrong, `c`, that are tried a row (section 5.1 and the authors' code)."""
FIRST_WEIGHT = 1e-3
RATE = 0.01
"""Of Adam."""
ALMOST_ONE = 0.999999
"""Keeps 0 and 1 within reach of tanh."""


@dataclass
class _Descent:
    """N rows under way in tanh space, with Adam's two moments, and the loss at the last look."""

    rows: Tensor
    origin: Tensor
    w: Tensor
    mean: Tensor
    spread: Tensor
    last: Tensor

    def keep(self, chosen: Tensor) -> None:
        """Drop the other rows; `chosen` is int64 or bool (N,)."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[chosen])


def cw(model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None) -> Tensor:
    """Minimise squared distance plus `c` times the margin, for nine values of `c`.

    From float (N, ...) to float (N, ...), see `Attack`.
    Nine searches of at most `ball.steps` forward and backward passes; a row leaves a search when a tenth of the steps
    gained it less than a ten-thousandth. Draws nothing.

    Raises:
        ValueError: the norm is not l2, or x leaves [0, 1].
    """
    if ball.norm != "l2":
        raise ValueError(f"cw looks for the nearest error in l2, not in {ball.norm}")
    aim = aim_of(x, y, y_target)
    nearest, best = x.clone(), x.new_full((len(x),), float("inf"))
    weight, low = torch.full_like(best, FIRST_WEIGHT), torch.zeros_like(best)
    high = torch.full_like(best, float("inf"))
    for _ in range(SEARCHES):
        rows = unbroken(best, ball).nonzero()[:, 0]
        if not len(rows):
            break
        found, length = _descend(model, x[rows], aim.rows(rows), weight[rows], ball.steps)
        closer = length < best[rows]
        nearest[rows[closer]], best[rows[closer]] = found[closer], length[closer]
        broke = length.isfinite()
        high[rows] = torch.where(broke, weight[rows], high[rows])
        low[rows] = torch.where(broke, low[rows], weight[rows])
        weight = torch.where(high.isfinite(), (low + high) / 2, weight * 10)
    return torch.where(columns(best <= ball.epsilon, x), nearest, x)


def _descend(model: Model, x: Tensor, aim: Aim, weight: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The nearest points found, float (N, ...), and how far they are, float (N,), inf for none."""
    nearest, best = x.clone(), x.new_full((len(x),), float("inf"))
    w = torch.atanh((2 * x - 1) * ALMOST_ONE)
    rows = torch.arange(len(x), device=x.device)
    state = _Descent(rows, (torch.tanh(w) + 1) / 2, w, torch.zeros_like(w), torch.zeros_like(w), best.clone())
    look = max(1, steps // 10)
    for step in range(steps):
        gradient, loss, x_adv, errs = _loss(model, state, aim.rows(state.rows), weight[state.rows])
        length = lengths(x_adv - x[state.rows], "l2")
        closer = errs & (length < best[state.rows])
        nearest[state.rows[closer]], best[state.rows[closer]] = x_adv[closer], length[closer]
        _adam(state, gradient, step)
        if step % look == 0:
            going = loss <= 0.9999 * state.last
            state.last = loss
            state.keep(going)
            if not len(state.rows):
                break
    return nearest, best


def _loss(model: Model, state: _Descent, aim: Aim, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    with torch.enable_grad():
        w = state.w.detach().requires_grad_(True)
        x_adv = (torch.tanh(w) + 1) / 2
        logits = aim.asked(model)(x_adv)
        right = margins_of(logits, aim.y) if aim.y_target is None else -margins_of(logits, aim.y_target)
        loss = (x_adv - state.origin).square().flatten(1).sum(1) + weight * right.clamp_min(0)
        (gradient,) = torch.autograd.grad(loss.sum(), w)
    return gradient, loss.detach(), x_adv.detach(), aim.errs(logits.detach())


def _adam(state: _Descent, gradient: Tensor, step: int) -> None:
    state.mean = torch.lerp(state.mean, gradient, 0.1)
    state.spread = torch.lerp(state.spread, gradient.square(), 0.001)
    mean, spread = state.mean / (1 - 0.9 ** (step + 1)), state.spread / (1 - 0.999 ** (step + 1))
    state.w = state.w - RATE * mean / (spread.sqrt() + 1e-8)
