"""Trains a classifier adversarially: Madry et al. 2018, arXiv:1706.06083, with averaged weights.

Weight averaging: Gowal et al. 2020, arXiv:2010.03593, table 5.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.attacks.pgd import pgd
from generators.balls import Ball
from pipelines.training.classifier import Classifier, ClassifierShape
from pipelines.training.progress import report

Batches = Callable[[int], tuple[Tensor, Tensor]]
"""Step -> images, float (B, C, H, W) in [0, 1], and soft labels, float (B, K)."""


@dataclass(frozen=True)
class FitOptions:
    """How a classifier is trained: the model to harden, each judge and every arm of the comparison."""

    steps: int = 1000
    batch_size: int = 64
    learning_rate: float = 2e-3
    """Peak of a one-cycle schedule, AdamW."""
    weight_decay: float = 5e-4
    averaging: float = 0.995
    """Decay of the averaged weights, which are the ones kept."""
    features: int = 16
    """Channels of the first layer."""
    synthetic_share: float = 0.7
    """Of each batch, when there are shards to train on; the rest is real."""
    ball: Ball = field(default_factory=Ball)
    """The attack inside training; zero steps train plainly."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "features"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("averaging", "synthetic_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be > 0, got {self.learning_rate}")


def fit(batches: Batches, shape: ClassifierShape, options: FitOptions, seed: int, work: str) -> Classifier:
    """A classifier after `options.steps` steps, in eval mode with its parameters frozen.

    Args:
        batches: what each step sees.
        seed: of the first weights and of the attack's random starts.
        work: what progress is reported under.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(replace(shape, features=options.features))
    averaged = copy.deepcopy(model).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.steps + 1, pct_start=0.1
    )
    for step in range(options.steps):
        x, y = batches(step)
        x_adv = pgd(model, x, y, options.ball, rng) if options.ball.steps else x
        loss = F.cross_entropy(model(x_adv), y)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        _average(averaged, model, min(options.averaging, (1 + step) / (10 + step)))
        report(work, step + 1, options.steps, f"loss {loss.item():.3f}")
    return averaged


@torch.no_grad()
def _average(averaged: Classifier, newest: Classifier, decay: float) -> None:
    for old, new in zip(averaged.parameters(), newest.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
