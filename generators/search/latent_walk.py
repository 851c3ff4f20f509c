"""Moves latents at a fixed label until the model's margin has the wanted value."""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.records import Candidates
from generators.boundary import close_in
from generators.latents import TOLERANCE, Ground, Move, from_latents
from generators.options import SearchOptions
from generators.search import Scene
from generators.sphere import slerp, tangent, turn

OVERSHOOT = 1.05
"""A step goes this much further than the slope says, so that it crosses rather than falls short."""


def latent_walk(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Walk z over its own sphere to where the margin has the wanted value; what has not arrived tries a fresh z.

    A Gaussian latent lies close to a shell of radius sqrt(Z); keeping each z's own length keeps it typical, and the
    generator on the ground it was trained on. Latent search for natural adversarial examples: Song et al. 2018,
    arXiv:1805.07894.

    Args:
        y: labels to generate and keep, int64 (N,).

    Returns:
        N candidates without parents.

    Raises:
        ValueError: a floor of realism is asked for where the scene has no discriminator.
    """
    return from_latents(scene, "latent_walk", y, options, rng, walk_by(options))


def walk_by(options: SearchOptions) -> Move:
    """The walk with these options, as a search among latents takes it."""

    def move(ground: Ground, z: Tensor, rows: Tensor, wanted: Tensor) -> Tensor:
        """From and to float (M, Z); rows int64 (M,), margins float (M,)."""
        return walk(ground, z, rows, wanted, options)

    return move


def walk(ground: Ground, z: Tensor, rows: Tensor, wanted: Tensor, options: SearchOptions) -> Tensor:
    """Follow the margin's slope until it has passed the wanted value, then close in between the last two points.

    A step goes as far as the wanted margin is by the slope, as DeepFool's does (Moosavi-Dezfooli et al. 2016,
    arXiv:1511.04599), but no further than `step_size`; so it needs no schedule.

    Args:
        z: latents, float (M, Z).
        rows: whose they are, int64 (M,).
        wanted: margins, float (M,).

    Returns:
        Latents of the same lengths, float (M, Z).
    """
    tolerance = TOLERANCE * options.band
    before, after, gaps = z.clone(), z.clone(), torch.full((2, len(rows)), torch.nan)
    walking = torch.arange(len(rows))
    for _ in range(options.steps):
        gap, way, slope = _look(ground, after[walking], rows[walking], wanted[walking])
        gaps[1, walking] = gap
        on = (gap.abs() > tolerance) & ~(gap * gaps[0, walking] < 0)
        walking = walking[on]
        if not len(walking):
            break
        before[walking], gaps[0, walking] = after[walking], gap[on]
        angle = (OVERSHOOT * gap.abs() / slope)[on] / z[walking].norm(dim=1)
        after[walking] = turn(after[walking], way[on], angle.clamp_max(options.step_size))

    def gap_at(place: Tensor, some: Tensor) -> Tensor:
        """The gap at a place, float (L,) in [0, 1], between the last two points of some of them, int64 (L,)."""
        return ground.gap(slerp(before[some], after[some], place), rows[some], wanted[some])

    found = close_in(gap_at, torch.zeros(len(rows)), torch.ones(len(rows)), gaps, tolerance=tolerance)
    return slerp(before, after, found)


def _look(ground: Ground, z: Tensor, rows: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far the margin is above the wanted one, float (M,); the way there, float (M, Z); how steep, float (M,)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        x = ground.made(z, rows)
        gap = ground.margin(x, rows) - wanted
        (gradient,) = torch.autograd.grad(gap.sum(), z, retain_graph=ground.realism is not None)
        above = ground.realism(x, rows) if ground.realism else None
        (climb,) = torch.autograd.grad(above.sum(), z) if above is not None else (None,)
    gap, slope = gap.detach(), tangent(gradient, z.detach())
    way = F.normalize(-gap.sign()[:, None] * slope, dim=1)
    if above is not None and climb is not None:
        below = above.detach() < 0
        way = torch.where(below[:, None], _uphill(way, tangent(climb, z.detach())), way)
    return gap, way, (way * slope).sum(1).abs() + 1e-12


def _uphill(way: Tensor, climb: Tensor) -> Tensor:
    """The way, float (N, Z), without what leads down the slope `climb`, and half as much up it."""
    climb = F.normalize(climb, dim=1)
    down = (way * climb).sum(1, keepdim=True).clamp_max(0)
    return F.normalize(way + (0.5 - down) * climb, dim=1)
