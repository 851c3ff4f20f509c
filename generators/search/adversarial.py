"""Attacks real samples and takes the end point: what the next round trains on in place of an attack in its loop."""

from typing import cast

import torch
from torch import Tensor

import generators.attacks
from data.plugins import plugin
from data.records import Candidates
from generators.attacks import Attack
from generators.options import Ball, SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose


def adversarial(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Attack a real sample of each label, int64 (N,), and stay where the attack ends, wherever the boundary is.

    `perturb` goes back to the boundary, where a sample is hardest to call; adversarial training (Madry et al. 2018,
    arXiv:1706.06083) learns from the worst point of the ball instead.
    """
    rows = pick_parents(scene.real, y, rng)
    starts = scene.real.inputs["image"][rows]
    step_size = min(options.epsilon, 2.5 * options.epsilon / options.steps)
    ball = Ball(epsilon=options.epsilon, norm=options.norm, steps=options.steps, step_size=step_size)
    attack = cast(Attack, plugin(generators.attacks, options.attack))
    images = attack(scene.model, starts, y, ball, rng)
    return propose(scene, "adversarial", y, images=images, starts=starts, parents=keys_of(scene.real, rows))
