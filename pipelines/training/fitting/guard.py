"""Sees catastrophic overfitting: the model withstands the single step it is trained with, and nothing longer.

The sign is that of Wong et al. 2020, arXiv:2001.03994, section 5.3: accuracy under PGD falls to 0 while accuracy under
the training attack rises.
"""

import logging
from dataclasses import replace

import torch
from torch import Tensor, nn

from generators.attacks.pgd import pgd
from generators.options import Ball
from pipelines.training.fitting.objectives import Memory

LOG = logging.getLogger(__name__)
EVERY = 100
"""Steps between looks, each 10 gradient evaluations of one batch: 5 % of what a single-step training costs."""
GAP = 0.3
"""Accuracy that PGD takes beyond the training attack: at most 0.13 in trainings that held, docs/training.md."""
NOTE = "overfitted_catastrophically_at"


def look_for_overfitting(model: nn.Module, x: Tensor, y: Tensor, logits: Tensor, ball: Ball, memory: Memory) -> None:
    """Every 100 steps, compare accuracy under the training attack with that under PGD on the same batch.

    Args:
        x, y: float (N, ...), and soft labels, float (N, K).
        logits: float (N, K), what the model says of its training perturbation.
        memory: the first step at which the gap was too wide is noted in it, and logged.
    """
    if (memory.step + 1) % EVERY or NOTE in memory.notes:
        return
    rng = torch.Generator().manual_seed(memory.step)  # draws of its own: looking changes no training
    x_adv = pgd(model, x, y, replace(ball, steps=10, step_size=ball.epsilon / 4, stop_early=True), rng)
    label = y.argmax(1)
    with torch.no_grad():
        gap = accuracy(logits, label) - accuracy(model(x_adv), label)
    if gap > GAP:
        memory.notes[NOTE] = memory.step + 1
        LOG.warning("catastrophic overfitting at step %d: PGD takes %.0f %% more", memory.step + 1, 100 * gap)


def accuracy(logits: Tensor, label: Tensor) -> float:
    """Share of rows whose greatest logit, float (N, K), is at the label, int64 (N,)."""
    return (logits.argmax(1) == label).float().mean().item()
