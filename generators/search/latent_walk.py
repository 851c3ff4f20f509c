"""Moves latents at a fixed label until the model's margin has the wanted value."""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.records import Candidates
from generators.boundary import close_in
from generators.latents import TOLERANCE, from_latents
from generators.margins import margins_of
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

    def move(z: Tensor, own: Tensor, wanted: Tensor) -> Tensor:
        """From and to float (N, Z); labels int64 (N,), margins float (N,)."""
        return walk(scene, z, own, wanted, options)

    return from_latents(scene, "latent_walk", y, options, rng, move)


def walk(scene: Scene, z: Tensor, y: Tensor, wanted: Tensor, options: SearchOptions) -> Tensor:
    """Follow the margin's slope until it has passed the wanted value, then close in between the last two points.

    A step goes as far as the wanted margin is by the slope, as DeepFool's does (Moosavi-Dezfooli et al. 2016,
    arXiv:1511.04599), but no further than `step_size`; so it needs no schedule.

    Args:
        z: latents, float (N, Z).
        y: their labels, int64 (N,).
        wanted: margins, float (N,).

    Returns:
        Latents of the same lengths, float (N, Z).
    """
    tolerance = TOLERANCE * options.band
    before, after, gaps = z.clone(), z.clone(), torch.full((2, len(y)), torch.nan)
    walking = torch.arange(len(y))
    for _ in range(options.steps):
        gap, way, slope = _look(scene, after[walking], y[walking], wanted[walking], options.realism)
        gaps[1, walking] = gap
        on = (gap.abs() > tolerance) & ~(gap * gaps[0, walking] < 0)
        walking = walking[on]
        if not len(walking):
            break
        before[walking], gaps[0, walking] = after[walking], gap[on]
        angle = (OVERSHOOT * gap.abs() / slope)[on] / z[walking].norm(dim=1)
        after[walking] = turn(after[walking], way[on], angle.clamp_max(options.step_size))

    def gap_at(place: Tensor, rows: Tensor) -> Tensor:
        """How far the margin is above the wanted one at a place, float (M,) in [0, 1], for rows, int64 (M,)."""
        images = scene.generator(slerp(before[rows], after[rows], place), y[rows])
        return margins_of(scene.model(images), y[rows]) - wanted[rows]

    found = close_in(gap_at, torch.zeros(len(y)), torch.ones(len(y)), gaps, tolerance=tolerance)
    return slerp(before, after, found)


def _look(scene: Scene, z: Tensor, y: Tensor, wanted: Tensor, realism: float) -> tuple[Tensor, Tensor, Tensor]:
    """How far the margin is above the wanted one, float (N,); the way there, float (N, Z); how steep, float (N,)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        images = scene.generator(z, y)
        gap = margins_of(scene.model(images), y) - wanted
        (gradient,) = torch.autograd.grad(gap.sum(), z, retain_graph=realism > 0)
        score = scene.realism_of(images, y) if realism else None
        (climb,) = torch.autograd.grad(score.sum(), z) if score is not None else (None,)
    gap, slope = gap.detach(), tangent(gradient, z.detach())
    way = F.normalize(-gap.sign()[:, None] * slope, dim=1)
    if score is not None and climb is not None:
        below = score.detach() < scene.realism_floor(realism)
        way = torch.where(below[:, None], _uphill(way, tangent(climb, z.detach())), way)
    return gap, way, (way * slope).sum(1).abs() + 1e-12


def _uphill(way: Tensor, climb: Tensor) -> Tensor:
    """The way, float (N, Z), without what leads down the slope `climb`, and half as much up it."""
    climb = F.normalize(climb, dim=1)
    down = (way * climb).sum(1, keepdim=True).clamp_max(0)
    return F.normalize(way + (0.5 - down) * climb, dim=1)
