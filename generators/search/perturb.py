"""Attacks samples and stops where the model's margin has the wanted value."""

from typing import cast

import torch
from torch import Tensor

import generators.attacks
from data.plugins import plugin
from data.records import Candidates
from generators.attacks import Attack
from generators.boundary import bisect_to_margin
from generators.options import Ball, SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose, translated, wanted_margins


def perturb(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Attack a sample of each label, int64 (N,), then go back along the straight line to the boundary.

    The attack gives the direction and the bisection the distance, so that a sample is moved no further from where it
    started than the boundary asks for. `options.parents` says what it starts from: a real sample, its
    translation to another domain, or one of the generator's, which has no parents.
    """
    starts, parents = _starts(scene, y, options, rng)
    step_size = 2.5 * options.epsilon / options.steps
    ball = Ball(epsilon=options.epsilon, norm=options.norm, steps=options.steps, step_size=step_size)
    attack = cast(Attack, plugin(generators.attacks, options.attack))
    ends = attack(scene.model, starts, y, ball, rng)
    wanted = wanted_margins(len(y), options.band, rng, options.sides)
    images = bisect_to_margin(scene.model, starts, ends, y, wanted)
    return propose(scene, "perturb", y, images=images, starts=starts, parents=parents)


def _starts(
    scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator
) -> tuple[Tensor, list[tuple[str, ...]]]:
    rows = pick_parents(scene.real, y, rng)
    starts, parents = scene.real.inputs["image"][rows], keys_of(scene.real, rows)
    if options.parents == "real":
        return starts, parents
    if options.parents == "translated":
        return translated(scene, starts, rng), parents
    made = torch.rand(len(y), generator=rng) < (1 if options.parents == "generated" else 0.5)
    with torch.no_grad():
        generated = scene.generator(torch.randn(len(y), scene.latent, generator=rng), y)
    starts = torch.where(made[:, None, None, None], generated, starts)
    return starts, [() if free else keys for free, keys in zip(made.tolist(), parents, strict=True)]
