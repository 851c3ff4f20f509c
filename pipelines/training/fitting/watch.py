"""Looks at robust accuracy on held-out samples during a training, against robust overfitting.

Rice et al. 2020, arXiv:2002.11569: robust accuracy of held-out samples falls again long before training ends, and
keeping the best weights regains most of what newer methods claim.
"""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn

import generators.attacks
from data.plugins import plugin
from data.records import Batch
from generators.attacks import Attack
from generators.balls import Ball


@dataclass(frozen=True)
class WatchOptions:
    """How often a training is looked at, and how hard."""

    every: int = 0
    """Steps between looks, after each of which the best averaged weights are kept; 0 keeps the last ones."""
    attack: str = "pgd"
    """A file of generators/attacks; one that climbs a margin is not flattered by soft labels."""
    steps: int = 10
    """Of the attack."""
    samples: int = 300
    """Validation samples at most."""

    def __post_init__(self) -> None:
        for name, least in (("every", 0), ("steps", 1), ("samples", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"watch.{name} must be >= {least}, got {getattr(self, name)}")
        plugin(generators.attacks, self.attack)

    def due(self, step: int, steps: int) -> bool:
        """Whether to look after `step` of `steps` steps; after the last one always, unless never."""
        return self.every > 0 and (step % self.every == 0 or step == steps)


def look(model: nn.Module, held_out: Batch, ball: Ball, options: WatchOptions) -> float:
    """Share of held-out samples that the model gets right on x and on x_adv, the same draws at each look."""
    device = next(model.parameters()).device
    batch = held_out.rows(torch.arange(min(options.samples, len(held_out))))
    x, y = batch.inputs["image"].to(device), batch.labels.to(device)
    ball = replace(ball, steps=options.steps, step_size=2.5 * ball.epsilon / options.steps, stop_early=True)
    attack = cast(Attack, plugin(generators.attacks, options.attack))
    x_adv = attack(model, x, y, ball, torch.Generator().manual_seed(0))
    with torch.no_grad():
        right = (model(x).argmax(1) == y) & (model(x_adv).argmax(1) == y)
    return float(right.float().mean())
