"""Fast adversarial training: FGSM from a random start, Wong et al. 2020, arXiv:2001.03994."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from generators.attacks.pgd import pgd
from pipelines.training.fitting.guard import look_for_overfitting
from pipelines.training.fitting.objectives import Memory, Plan


def fgsm_rs(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x_adv) after one step of 1.25 epsilon from a uniform point of the ball, as in the paper; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().

    At large epsilon it may overfit catastrophically, which is noted; `n_fgsm` costs the same.
    """
    ball = replace(plan.ball, steps=1, step_size=1.25 * plan.ball.epsilon, random_start=True, stop_early=False)
    logits = model(pgd(model, x, y, ball, memory.rng))
    look_for_overfitting(model, x, y, logits, plan.ball, memory)
    return F.cross_entropy(logits, y)
