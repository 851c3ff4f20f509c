"""Looks at robust accuracy on held-out samples during a training, against robust overfitting.

Rice et al. 2020, arXiv:2002.11569: robust accuracy of held-out samples falls again long before training ends, and
keeping the best weights regains most of what newer methods claim.
"""

from dataclasses import replace
from typing import cast

import torch
from torch import nn

import generators.attacks
from data.plugins import plugin
from data.records import Batch
from generators.attacks import Attack
from generators.options import Ball
from pipelines.training.fitting.options import WatchOptions


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
