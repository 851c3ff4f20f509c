"""Training without an attack."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.fitting.objectives import Memory, Plan


def plain(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x), cross-entropy; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().
    """
    return F.cross_entropy(model(x), y)
