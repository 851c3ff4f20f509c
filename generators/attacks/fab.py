"""FAB, the fast adaptive boundary attack, Croce and Hein 2020, arXiv:1907.02044."""

import torch
from torch import Tensor

from generators.aims import Aim, aim_of
from generators.balls import columns, lengths, unbroken
from generators.margins import Model
from generators.options import Ball
from generators.planes import nearest_plane, step_to_plane

OVERSHOOT = 1.05
"""How far across the plane (eta, section 3.1)."""
PULL = 0.1
"""Weight at most of the way to the plane that begins at x itself (alpha_max, section 3.1)."""
RETREAT = 0.9
"""Where a point that the model errs on goes back to, on its way from x (beta, section 2.4)."""


def fab(model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None) -> Tensor:
    """Walk along the boundary towards x, and keep the nearest point that the model errs on.

    From float (N, ...) to float (N, ...), see `Attack`.
    Each of `ball.steps` steps of a start is two forward passes and up to nine backward passes, one with a target.
    With `ball.stop_early` a row leaves once it is broken within `ball.epsilon`.
    """
    aim, best = aim_of(x, y, y_target), x.new_full((len(x),), float("inf"))
    nearest = x.clone()
    for start in range(ball.restarts):
        rows = unbroken(best, ball).nonzero()[:, 0]
        if not len(rows):
            break
        origin = x[rows]
        begin = _beside(origin, best[rows], ball, rng) if start else origin
        found, length = _walk(model, origin, begin, aim.rows(rows), ball)
        closer = length < best[rows]
        nearest[rows[closer]], best[rows[closer]] = found[closer], length[closer]
    return torch.where(columns(best <= ball.epsilon, x), nearest, x)


def _walk(model: Model, origin: Tensor, x_adv: Tensor, aim: Aim, ball: Ball) -> tuple[Tensor, Tensor]:
    """The nearest points found, float (N, ...), and how far they are from `origin`, float (N,), inf for none."""
    nearest, best = origin.clone(), origin.new_full((len(origin),), float("inf"))
    rows = torch.arange(len(origin), device=origin.device)
    for _ in range(ball.steps):
        x_adv = _step(model, origin, x_adv, aim, ball)
        with torch.no_grad():
            errs = aim.errs(aim.asked(model)(x_adv))
        length = lengths(x_adv - origin, ball.norm)
        closer = errs & (length < best[rows])
        nearest[rows[closer]], best[rows[closer]] = x_adv[closer], length[closer]
        x_adv = torch.where(columns(errs, x_adv), origin + RETREAT * (x_adv - origin), x_adv)
        if ball.stop_early and not (left := unbroken(best[rows], ball)).all():
            rows, origin, x_adv, aim = rows[left], origin[left], x_adv[left], aim.rows(left)
            if not len(rows):
                break
    return nearest, best


def _step(model: Model, origin: Tensor, x_adv: Tensor, aim: Aim, ball: Ball) -> Tensor:
    _, plane = nearest_plane(aim.asked(model), x_adv, aim.y, ball.norm, aim.y_target)
    from_origin = plane.offset + (plane.slope * (origin - x_adv)).flatten(1).sum(1)
    both = torch.cat([x_adv, origin]), torch.cat([plane.slope] * 2), torch.cat([plane.offset, from_origin])
    here, there = step_to_plane(*both, ball.norm).chunk(2)
    near, far = lengths(here, ball.norm), lengths(there, ball.norm)
    pull = columns((near / (near + far).clamp_min(1e-12)).clamp_max(PULL), x_adv)
    ahead = (1 - pull) * (x_adv + OVERSHOOT * here) + pull * (origin + OVERSHOOT * there)
    return ahead.clamp(0, 1)


def _beside(origin: Tensor, best: Tensor, ball: Ball, rng: torch.Generator) -> Tensor:
    reach = best.clamp_max(ball.epsilon)
    reach = torch.where(reach.isfinite(), reach, torch.ones_like(reach)) / 2
    noise = torch.rand(origin.shape, generator=rng, dtype=origin.dtype, device=rng.device).to(origin.device) * 2 - 1
    noise = noise / columns(lengths(noise, ball.norm).clamp_min(1e-12), origin)
    return (origin + columns(reach, origin) * noise).clamp(0, 1)
