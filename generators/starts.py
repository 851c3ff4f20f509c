"""Several starts of one attack, of which each row keeps its worst."""

from collections.abc import Callable

import torch
from torch import Tensor

from generators.aims import Aim, RowLoss
from generators.margins import Model
from generators.options import Ball

Attempt = Callable[[Tensor, Aim], Tensor]
"""Inputs, float (N, ...), and their aim -> x_adv, float (N, ...), from one start."""


def worst_of_starts(attempt: Attempt, model: Model, x: Tensor, aim: Aim, ball: Ball, loss: RowLoss) -> Tensor:
    """Attack `ball.restarts` times; a row keeps a point that breaks it, or else the one of highest loss.

    From float (N, ...) to float (N, ...). With `ball.stop_early`, a broken row takes part in no further start. A single
    start is not looked at again, so it costs no forward pass more than the attack's own.
    """
    out = attempt(x, aim)
    if ball.restarts == 1:
        return out
    worst = _rank(model, out, aim, loss)
    for _ in range(ball.restarts - 1):
        rows = (~worst[:, 0].bool() if ball.stop_early else torch.ones_like(worst[:, 0]).bool()).nonzero()[:, 0]
        if not len(rows):
            break
        tried = attempt(x[rows], aim.rows(rows))
        rank = _rank(model, tried, aim.rows(rows), loss)
        broke, before = rank[:, 0], worst[rows, 0]
        better = (broke > before) | ((broke == before) & (rank[:, 1] > worst[rows, 1]))
        out[rows[better]], worst[rows[better]] = tried[better], rank[better]
    return out


@torch.no_grad()
def _rank(model: Model, x_adv: Tensor, aim: Aim, loss: RowLoss) -> Tensor:
    logits = aim.asked(model)(x_adv)
    return torch.stack([aim.errs(logits).to(logits.dtype), loss(logits, aim)], 1)
