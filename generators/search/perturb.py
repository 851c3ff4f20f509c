"""Attacks real samples and stops where the model's margin has the wanted value."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.attacks.pgd import pgd
from generators.balls import Ball
from generators.boundary import bisect_to_margin
from generators.search import Scene, SearchOptions, keys_of, pick_parents, propose, wanted_margins


def perturb(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """PGD from a real sample of each label, int64 (N,), then back along the straight line to the boundary.

    The attack gives the direction and the bisection the distance, so that a sample is moved no further from its
    parent than the boundary asks for.
    """
    rows = pick_parents(scene.real, y, rng)
    starts = scene.real.inputs["image"][rows]
    ball = Ball(epsilon=options.epsilon, steps=options.steps, step_size=2.5 * options.epsilon / options.steps)
    ends = pgd(scene.model, starts, y, ball, rng)
    wanted = wanted_margins(len(y), options.band, rng)
    images = bisect_to_margin(scene.model, starts, ends, y, wanted)
    return propose(scene, "perturb", y, images=images, starts=starts, parents=keys_of(scene.real, rows))
