"""Attacks real samples and stops where the model's margin has the wanted value."""

from typing import cast

import torch
from torch import Tensor

import generators.attacks
from data.plugins import plugin
from data.records import Candidates
from generators.attacks import Attack
from generators.balls import Ball
from generators.boundary import bisect_to_margin
from generators.search import Scene, SearchOptions, keys_of, pick_parents, propose, wanted_margins


def perturb(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Attack a real sample of each label, int64 (N,), then go back along the straight line to the boundary.

    The attack gives the direction and the bisection the distance, so that a sample is moved no further from its
    parent than the boundary asks for.
    """
    rows = pick_parents(scene.real, y, rng)
    starts = scene.real.inputs["image"][rows]
    step_size = 2.5 * options.epsilon / options.steps
    ball = Ball(epsilon=options.epsilon, norm=options.norm, steps=options.steps, step_size=step_size)
    attack = cast(Attack, plugin(generators.attacks, options.attack))
    ends = attack(scene.model, starts, y, ball, rng)
    wanted = wanted_margins(len(y), options.band, rng, options.sides)
    images = bisect_to_margin(scene.model, starts, ends, y, wanted)
    return propose(scene, "perturb", y, images=images, starts=starts, parents=keys_of(scene.real, rows))
