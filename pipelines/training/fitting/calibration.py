"""Makes a classifier's probabilities honest: one temperature, fitted on samples it has not seen.

Guo et al. 2017, arXiv:1706.04599.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.training.models.classifier import Classifier

WIDEST = 50.0
"""Temperatures lie in [1 / 50, 50]; samples that are all right, or all wrong, have none of their own."""
BINS = 15
"""Of the calibration error, as in the paper."""


@dataclass(frozen=True)
class Calibration:
    """A judge's temperature, and what it changes on samples that did not fit it.

    Attributes:
        temperature: what logits are divided by; above 1 for a classifier that is too sure.
        nll_before, nll: mean negative log-likelihood of the label, in nats, without and with a temperature.
        ece_before, ece: expected calibration error, in [0, 1], likewise.
    """

    temperature: float
    nll_before: float
    nll: float
    ece_before: float
    ece: float


@torch.no_grad()
def calibrate(model: Classifier, x: Tensor, y: Tensor) -> Calibration:
    """Divide the classifier's last layer by the temperature that suits x, float (N, C, H, W), and y, int64 (N,).

    The figures come from two halves, each measured with the temperature of the other; the one put in is that of all.
    """
    logits = model(x)
    halves = [torch.arange(len(y)) % 2 == side for side in (0, 1)]
    across = torch.empty_like(logits)
    for mine, other in (halves, halves[::-1]):
        across[mine] = logits[mine] / temperature_of(logits[other], y[other])
    temperature = temperature_of(logits, y)
    for parameter in model.head.parameters():
        parameter.div_(temperature)
    errors = [calibration_error(found.softmax(1), y) for found in (logits, across)]
    likelihoods = [F.cross_entropy(found, y).item() for found in (logits, across)]
    return Calibration(temperature, *likelihoods, *errors)


def temperature_of(logits: Tensor, y: Tensor) -> float:
    """The T for which softmax(logits / T) gives the labels the highest likelihood.

    Args:
        logits: float (N, K).
        y: labels, int64 (N,).

    Returns:
        T in [1 / 50, 50].
    """
    z = logits.double()
    low, high = -torch.tensor(WIDEST).log().item(), torch.tensor(WIDEST).log().item()
    for _ in range(50):  # the likelihood is concave in 1 / T, so its slope changes sign once
        middle = (low + high) / 2
        low, high = (low, middle) if _sharper(z, y, middle) else (middle, high)
    return float(torch.tensor((low + high) / 2).exp())


def _sharper(z: Tensor, y: Tensor, log_temperature: float) -> bool:
    """Would a lower temperature than this raise the likelihood?"""
    expected = ((z / torch.tensor(log_temperature).exp()).softmax(1) * z).sum(1)
    return bool((z.gather(1, y[:, None])[:, 0] - expected).mean() > 0)


def calibration_error(probabilities: Tensor, y: Tensor) -> float:
    """Mean gap between confidence and accuracy over 15 bins of confidence, weighted by their samples.

    Args:
        probabilities: float (N, K), rows summing to 1.
        y: labels, int64 (N,).

    Returns:
        A figure in [0, 1].
    """
    confidence, seen = probabilities.max(1)
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    gap = (seen == y).double() - confidence.double()
    return float(torch.zeros(BINS, dtype=torch.double).index_add(0, bins, gap).abs().sum() / len(y))
