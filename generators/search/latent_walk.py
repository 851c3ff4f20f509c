"""Moves latents at a fixed label until the model's margin has the wanted value."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.margins import margins_of
from generators.search import Scene, SearchOptions, propose, wanted_margins


def latent_walk(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Walk z over its own sphere, downhill in |margin - wanted|; a row that has arrived stays where it is.

    A Gaussian latent lies close to a shell of radius sqrt(Z); keeping each z's own length keeps it typical, and the
    generator on the ground it was trained on. Latent search for natural adversarial examples: Song et al. 2018,
    arXiv:1805.07894.

    Args:
        y: labels to generate and keep, int64 (N,).

    Returns:
        N candidates without parents.
    """
    start = torch.randn(len(y), scene.latent, generator=rng)
    z, length = start.clone(), start.norm(dim=1, keepdim=True)
    wanted = wanted_margins(len(y), options.band, rng)
    walking = torch.arange(len(y))
    for step in range(options.steps):
        gap, gradient = _gap(scene, z[walking], y[walking], wanted[walking])
        on = gap > 0.1 * options.band
        walking, gradient = walking[on], gradient[on]
        if not len(walking):
            break
        stride = options.step_size * length[walking] * (1 - step / options.steps)
        moved = z[walking] - stride * torch.nn.functional.normalize(gradient, dim=1)
        z[walking] = torch.nn.functional.normalize(moved, dim=1) * length[walking]
    with torch.no_grad():
        images, starts = scene.generator(z, y), scene.generator(start, y)
    return propose(scene, "latent_walk", y, images=images, starts=starts, parents=[()] * len(y))


def _gap(scene: Scene, z: Tensor, y: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        gap = (margins_of(scene.model(scene.generator(z, y)), y) - wanted).abs()
        (gradient,) = torch.autograd.grad(gap.sum(), z)
    return gap.detach(), gradient
