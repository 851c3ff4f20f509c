"""Moves latents by random trials, asking the model for its scores alone: for models that give no gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.records import Candidates
from generators.boundary import close_in
from generators.latents import TOLERANCE, Ground, from_latents
from generators.options import SearchOptions
from generators.search import Scene
from generators.sphere import slerp

SHARE = 0.1
"""Of a latent's numbers, drawn anew in each trial. Four times as many at first leave half as many labels agreed on."""
LOANS = 3
"""Rows at most that one latent helps as the other end; with no limit, they end beside the few that are found first."""


def latent_square(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Draw a few of z's numbers anew, keep what is nearer to the wanted margin, and close in once it is passed.

    Square Attack's random search (Andriushchenko et al. 2020, arXiv:1912.00049) in latent space: a tenth
    of z at a time, its length kept, and nothing but the model's answers decides. It is asked under no_grad. A latent of
    the same label that is already beyond the wanted margin serves as the other end: one row's find helps its class.

    Args:
        y: labels to generate and keep, int64 (N,).

    Returns:
        N candidates without parents.
    """

    def move(ground: Ground, z: Tensor, rows: Tensor, wanted: Tensor) -> Tensor:
        """From and to float (M, Z); rows int64 (M,), margins float (M,)."""
        return _by_trial(ground, z, rows, y[rows], wanted, options, rng)

    return from_latents(scene, "latent_square", y, options, rng, move)


@torch.no_grad()
def _by_trial(
    ground: Ground, z: Tensor, of: Tensor, y: Tensor, wanted: Tensor, options: SearchOptions, rng: torch.Generator
) -> Tensor:
    def gap_of(z: Tensor, rows: Tensor) -> Tensor:
        """How far the margins of z, float (M, Z), for rows, int64 (M,), are above the wanted: float (M,)."""
        return ground.gap(z, of[rows], wanted[rows])

    def gap_at(place: Tensor, rows: Tensor) -> Tensor:
        """The same at a place, float (M,) in [0, 1], between the last two points."""
        return gap_of(slerp(before[rows], after[rows], place), rows)

    every, tolerance, lengths = torch.arange(len(y)), TOLERANCE * options.band, z.norm(dim=1, keepdim=True)
    loans = torch.zeros_like(y)
    before, after, gaps = z.clone(), z.clone(), gap_of(z, every).repeat(2, 1)
    for _ in range(options.queries):
        rows = every[(gaps[1].abs() > tolerance) & ~(gaps[0] * gaps[1] < 0)]
        lent = _nearest_across(after, y, gaps[1] + wanted, wanted, rows, loans < LOANS)
        loans[lent[lent != rows]] += 1
        before[rows], gaps[0, rows] = after[lent], gaps[1, lent] + wanted[lent] - wanted[rows]
        rows = rows[lent == rows]
        if not len(rows):
            break
        tried = F.normalize(_redrawn(after[rows], rng), dim=1) * lengths[rows]
        gap = gap_of(tried, rows)
        better = (gap.abs() < gaps[1, rows].abs()) | (gap * gaps[1, rows] < 0)
        taken = rows[better]
        before[taken], gaps[0, taken] = after[taken], gaps[1, taken]
        after[taken], gaps[1, taken] = tried[better], gap[better]
    place = close_in(gap_at, torch.zeros(len(y)), torch.ones(len(y)), gaps, tolerance=tolerance)
    return slerp(before, after, place)


def _nearest_across(z: Tensor, y: Tensor, margins: Tensor, wanted: Tensor, rows: Tensor, lending: Tensor) -> Tensor:
    """For each of the rows, int64 (M,), the row of the nearest latent of its label across its wanted margin.

    Each lends itself to one row at a time, the nearest.

    Args:
        z: float (N, Z).
        y, margins, wanted: labels, int64 (N,), and margins, had and wanted, float (N,).
        lending: bool (N,), which latents may be lent.

    Returns:
        Int64 (M,); a row itself where there is none for it.
    """
    beyond = (margins - wanted[rows, None]) * (margins - wanted)[rows, None] < 0
    directions = F.normalize(z, dim=1)
    likeness = (directions[rows] @ directions.T).masked_fill(~beyond | (y != y[rows, None]) | ~lending, -torch.inf)
    nearness, lent = likeness.max(1)
    best = torch.full_like(margins, -torch.inf).scatter_reduce(0, lent, nearness, "amax")
    return torch.where((nearness > -torch.inf) & (nearness == best[lent]), lent, rows)


def _redrawn(z: Tensor, rng: torch.Generator) -> Tensor:
    """Float (N, Z) with a SHARE of each row's numbers, one at least, drawn anew."""
    count = max(1, round(SHARE * z.shape[1]))
    places = torch.rand(z.shape, generator=rng).argsort(1)[:, :count]
    return z.scatter(1, places, torch.randn(len(z), count, generator=rng))
