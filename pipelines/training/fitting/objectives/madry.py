"""Adversarial training, Madry et al. 2018, arXiv:1706.06083."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.fitting.objectives import Memory, Plan, attacked


def madry(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x_adv), cross-entropy; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().
    """
    return F.cross_entropy(model(attacked(model, x, y, plan, memory)), y)
