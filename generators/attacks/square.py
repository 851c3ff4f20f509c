"""Square Attack: random search without gradients, Andriushchenko et al. 2020, arXiv:1912.00049."""

from functools import partial

import torch
from torch import Tensor

from generators.aims import Aim, aim_of
from generators.balls import must_be_finite
from generators.margins import Model, margins_of
from generators.options import Ball
from generators.squares import as_images, recoloured, striped, tiled, transferred, window_of
from generators.starts import worst_of_starts

SHARE = 0.8
"""Of the image that a window covers at first (p, section 5.1)."""
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries of 10,000 after which that share halves (section 3.1)."""


def square(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    """Lower the margin by changes of random windows, which are kept where they help.

    From float (N, ...) to float (N, ...), see `Attack`.
    Calls the model, forward only, `ball.steps` times a start. Images are (N, C, H, W); of (N, C, L) a window is a
    stretch of L, of (N, D) a stretch of D.
    """
    must_be_finite(ball, "square")
    attempt = partial(_search, model, ball, rng)
    return worst_of_starts(attempt, model, x, aim_of(x, y, y_target), ball, _closeness)


@torch.no_grad()
def _search(model: Model, ball: Ball, rng: torch.Generator, inputs: Tensor, aim: Aim) -> Tensor:
    begin, change = (striped, recoloured) if ball.norm == "linf" else (tiled, transferred)
    x, rows = as_images(inputs), torch.arange(len(inputs), device=inputs.device)
    best = tried = begin(x, ball.epsilon, rng)
    out, reached = best.clone(), x.new_full((len(x),), float("-inf"))
    for query in range(ball.steps):
        if query:
            window = window_of(_share(query, ball.steps), x, odd=ball.norm == "l2")
            tried = change(best, x, window, ball.epsilon, rng)
        logits = aim.asked(model)(tried.view(-1, *inputs.shape[1:]))
        errs, closeness = aim.errs(logits), _closeness(logits, aim)
        closer = closeness > reached
        best = torch.where(closer[:, None, None, None], tried, best)
        reached = torch.where(closer, closeness, reached)
        if ball.stop_early and errs.any():
            out[rows[errs]] = tried[errs]
            rows, x, best, reached = (part[~errs] for part in (rows, x, best, reached))
            aim = aim.rows(~errs)
            if not len(rows):
                break
    out[rows] = best
    return out.view_as(inputs)


def _closeness(logits: Tensor, aim: Aim) -> Tensor:
    """How near each row is to being broken, in logits, float (N,); positive when it is."""
    if aim.y_target is None:
        return -margins_of(logits, aim.y)
    own, wanted = (logits.gather(1, rows[:, None])[:, 0] for rows in (aim.y, aim.y_target))
    return wanted - own


def _share(query: int, queries: int) -> float:
    scaled = query / queries * 10_000
    return SHARE / 2.0 ** sum(scaled > limit for limit in HALVINGS)
