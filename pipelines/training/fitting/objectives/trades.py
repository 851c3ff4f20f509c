"""TRADES, Zhang et al. 2019, arXiv:1901.08573."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.fitting.objectives import Memory, Plan, attacked


def trades(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x) + weight * KL(p(x) || p(x_adv)), weight 6 unless the plan has one; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().

    x_adv raises the divergence and knows no label. Given p(x) as soft labels, the cross-entropy that attacks climb is
    that divergence plus a constant. From x itself it has no gradient: leave the attack its random start, which here is
    uniform in the ball, where the paper's code takes a small Gaussian.
    """
    with torch.no_grad():
        before = model(x).softmax(1)
    x_adv = attacked(model, x, before, plan, memory)
    logits = model(x)
    apart = F.kl_div(model(x_adv).log_softmax(1), logits.log_softmax(1), log_target=True, reduction="batchmean")
    return F.cross_entropy(logits, y) + (plan.weight or 6.0) * apart
