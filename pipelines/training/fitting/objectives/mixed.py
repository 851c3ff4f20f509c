"""The mixed loss of Goodfellow et al. 2015, arXiv:1412.6572, section 6, with any attack in FGSM's place."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.fitting.objectives import Memory, Plan, attacked


def mixed(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x) + weight * L(x_adv), cross-entropy, weight 1 unless the plan has one; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().
    """
    x_adv = attacked(model, x, y, plan, memory)
    return F.cross_entropy(model(x), y) + (plan.weight or 1.0) * F.cross_entropy(model(x_adv), y)
