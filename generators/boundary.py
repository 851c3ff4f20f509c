"""Finds the place on a segment where the model's margin has a wanted value."""

import torch
from torch import Tensor

from generators.margins import Model, margins_of


@torch.no_grad()
def bisect_to_margin(model: Model, start: Tensor, end: Tensor, y: Tensor, wanted: Tensor, *, steps: int = 12) -> Tensor:
    """Walk each segment from `start` towards `end` until the margin falls to `wanted`.

    Bin-Search of HopSkipJump, Chen et al. 2020, arXiv:1904.02144, for any level of the margin instead of 0.

    Args:
        model: inputs (N, ...) -> logits (N, K); called `steps` + 1 times.
        start, end: points, float (N, ...).
        y: labels, int64 (N,).
        wanted: the margin to stop at, float (N,).
        steps: halvings of the segment.

    Returns:
        Points like `start`: where the margin falls through `wanted`; `start` where it is below already, `end` where
        it stays above.
    """
    low = start.new_zeros(len(y), *[1] * (start.ndim - 1))
    high = torch.ones_like(low)
    below = (margins_of(model(start), y) <= wanted).view_as(low)
    high = torch.where(below, low, high)
    for _ in range(steps):
        middle = (low + high) / 2
        crossed = (margins_of(model(torch.lerp(start, end, middle)), y) <= wanted).view_as(low)
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    return torch.lerp(start, end, high)
