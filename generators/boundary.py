"""Finds the place on a way through input space where the model's margin has a wanted value."""

from collections.abc import Callable

import torch
from torch import Tensor

from generators.margins import Model, margins_of

Gap = Callable[[Tensor, Tensor], Tensor]
"""Places, float (M,), and the rows they belong to, int64 (M,) -> margin less the wanted one, float (M,)."""


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


@torch.no_grad()
def close_in(gap_at: Gap, low: Tensor, high: Tensor, gaps: Tensor, *, tolerance: float, steps: int = 12) -> Tensor:
    """Close in on the place between `low` and `high` where the gap changes its sign.

    Regula falsi and halving in turn: the first is fast where the margin is near to linear, the second is sure. A row
    leaves as soon as its gap is within the tolerance.

    Args:
        gap_at: asked `steps` times at most.
        low, high: places on N ways, float (N,).
        gaps: at low and at high, float (2, N); rows whose signs do not differ stay at `high`.
        tolerance: of the gap, in logits.

    Returns:
        Places, float (N,).
    """
    low, found, (under, over) = low.clone(), high.clone(), gaps.clone()
    high, rows = high.clone(), ((gaps[0] * gaps[1] < 0) & (gaps[1].abs() > tolerance)).nonzero()[:, 0]
    for step in range(steps):
        if not len(rows):
            break
        share = (under[rows] / (under[rows] - over[rows])).clamp(0.1, 0.9) if step % 2 == 0 else 0.5
        found[rows] = low[rows] + share * (high[rows] - low[rows])
        gap = gap_at(found[rows], rows)
        before = gap * under[rows] > 0
        near, far = rows[before], rows[~before]
        low[near], under[near] = found[near], gap[before]
        high[far], over[far] = found[far], gap[~before]
        rows = rows[gap.abs() > tolerance]
    return found


@torch.no_grad()
def first_crossing(gap_at: Gap, rows: int, reach: float, *, tolerance: float, looks: int = 8) -> Tensor:
    """The first place of each way, from 0 to `reach`, where the gap changes its sign between one look and the next.

    Args:
        gap_at: asked `looks` + 1 times for all rows, then to close in.
        rows: N.
        reach: how far each way is followed.
        tolerance: of the gap, in logits.

    Returns:
        Places, float (N,); `reach` where there is no crossing.
    """
    places, every = torch.linspace(0, reach, looks + 1), torch.arange(rows)
    gaps = torch.stack([gap_at(place.expand(rows), every) for place in places])
    crossed = torch.cat([gaps[:-1] * gaps[1:] < 0, torch.ones(1, rows, dtype=torch.bool)])
    first = crossed.float().argmax(0)  # the row of ones added at the end says that there is none
    last = (first + 1).clamp_max(looks)
    around = torch.stack([gaps[first, every], gaps[last, every]])
    return close_in(gap_at, places[first], places[last], around, tolerance=tolerance)
