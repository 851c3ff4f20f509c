"""MART, Wang et al. 2020, "Improving adversarial robustness requires revisiting misclassified examples", ICLR."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.fitting.objectives import Memory, Plan, attacked


def mart(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """BCE(p(x_adv), y) + weight * KL(p(x) || p(x_adv)) * (1 - p_y(x)); see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss (). The paper's weight is 5.

    The boosted cross-entropy BCE is -log p_y - log(1 - the greatest other p). All three terms are means over the soft
    label: the loss is linear in y for a given x_adv, and one-hot rows give the paper's equation 11.
    """
    adversarial = model(attacked(model, x, y, plan, memory)).log_softmax(1)
    natural = model(x).log_softmax(1)
    boosted = -(y * (adversarial + _all_but_greatest_other(adversarial))).sum(1)
    apart = F.kl_div(adversarial, natural, log_target=True, reduction="none").sum(1)
    unsure = 1 - (y * natural.exp()).sum(1)
    return torch.mean(boosted + (plan.weight or 5.0) * apart * unsure)


def _all_but_greatest_other(log_p: Tensor) -> Tensor:
    """log(1 - the greatest probability of another class), for each class: float (N, K) -> float (N, K)."""
    top = log_p.topk(2, dim=1)
    greatest = top.values[:, :1].expand_as(log_p).scatter(1, top.indices[:, :1], top.values[:, 1:])
    return torch.log1p((-greatest.exp()).clamp_min(-1 + 1e-4))  # log 0 is infinite; the paper's code adds 1e-4
