"""The margin: how far the model is from its decision boundary, in logits."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

Model: TypeAlias = Callable[[Tensor], Tensor]
"""Inputs (N, ...) -> logits (N, K), no softmax."""


def margins_of(logits: Tensor, y: Tensor) -> Tensor:
    """The label's logit minus the best other one: float (N,), positive where the model is right, 0 at the boundary.

    Args:
        logits: float (N, K).
        y: labels, int64 (N,).
    """
    own = y[:, None]
    others = logits.scatter(1, own, float("-inf"))
    return logits.gather(1, own)[:, 0] - others.amax(1)


def outside_band(margins: Tensor, band: float) -> Tensor:
    """Bool (N,): rows of float (N,) margins that are not within `band` logits of the boundary; NaN is outside."""
    return ~(margins.abs() <= band)
