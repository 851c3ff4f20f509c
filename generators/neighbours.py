"""Soft nearest neighbours: a classifier without training, smooth in its inputs, to attack instead of a network.

The distribution over neighbours of Goldberger et al. 2004 (Neighbourhood Components Analysis), in input space. What
fools it owes nothing to any network's gradients, so it makes a surrogate for transfer where no second model is at hand.
"""

import torch
from torch import Tensor

from generators.margins import Model

AT_ONCE = 4096
"""Stored samples compared at once when the temperature is chosen."""
FAR = -1e30
"""The logit of a class without a sample: finite, as infinite ones have no gradient."""


def soft_neighbours(stored: Tensor, labels: Tensor, classes: int) -> Model:
    """A model whose logit of a class is the log-sum-exp, over its samples, of -|x - sample|^2 / temperature.

    The temperature is the median squared distance from a stored sample to the nearest that is no copy.

    Args:
        stored: float (M, ...); two differ.
        labels: int64 (M,).
        classes: K.

    Returns:
        Inputs, float (N, ...) -> logits, float (N, K); `FAR` for a class without a sample.

    Raises:
        ValueError: no two samples differ.
    """
    points = stored.flatten(1)
    temperature = spacing(points)
    of_class = [points[labels == k] for k in range(classes)]

    def model(x: Tensor) -> Tensor:
        """Logits, float (N, K), of float (N, ...)."""
        flat = x.flatten(1)
        return torch.stack([_logit(flat, known, temperature) for known in of_class], 1)

    return model


def spacing(points: Tensor) -> float:
    """Median squared distance from each of float (M, D) to the nearest that is no copy of it.

    Raises:
        ValueError: no two points differ.
    """
    rounding = torch.finfo(points.dtype).eps ** 0.5 * points.square().sum(1).amax()
    nearest = []
    for some in torch.split(points, AT_ONCE):
        squared = _squared(some, points)
        nearest.append(squared.masked_fill(squared <= rounding, torch.inf).amin(1))
    found = float(torch.cat(nearest).median())
    if not found < torch.inf:
        raise ValueError(f"soft neighbours need samples that differ, got {len(points)} alike")
    return found


def _logit(x: Tensor, known: Tensor, temperature: float) -> Tensor:
    if not len(known):
        return x.new_full((len(x),), FAR)
    return (-_squared(x, known) / temperature).logsumexp(1)


def _squared(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances, float (N, M), of float (N, D) and (M, D); smooth where they are 0, as cdist is not."""
    return one.square().sum(1)[:, None] + other.square().sum(1) - 2 * one @ other.T
