"""N-FGSM: one step from stronger noise, not clipped, de Jorge et al. 2022, arXiv:2202.01181."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from generators.attacks.pgd import pgd
from generators.balls import random_point
from pipelines.training.fitting.guard import look_for_overfitting
from pipelines.training.fitting.objectives import Memory, Plan


def n_fgsm(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x_adv) after one step of epsilon from noise of 2 epsilon around x, the paper's defaults; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().

    x_adv stays in [0, 1] but leaves the ball, up to 3 epsilon from x: that is what keeps it from overfitting.
    """
    noisy = random_point(x, replace(plan.ball, epsilon=2 * plan.ball.epsilon), memory.rng)
    step = replace(plan.ball, steps=1, step_size=plan.ball.epsilon, random_start=False, stop_early=False)
    logits = model(pgd(model, noisy, y, step, memory.rng))
    look_for_overfitting(model, x, y, logits, plan.ball, memory)
    return F.cross_entropy(logits, y)
