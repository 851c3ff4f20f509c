"""The model's boundary as a plane: which one is nearest to an input, and the shortest way to it within [0, 1]."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.balls import columns
from generators.margins import Model
from generators.options import Norm

RIVALS = 9
"""Classes looked at, those of the highest logits: all others of ten classes, as many as AutoAttack has targets."""
HALTS = 30
"""Newton steps at most; each passes a pixel's limit, and a handful is the rule."""


@dataclass(frozen=True)
class Planes:
    """N planes `offset + slope . (p - x) = 0`, one a row.

    Attributes:
        slope: float (N, ...), the gradient of a rival's logit less the label's, at x.
        offset: float (N,), that difference at x.
    """

    slope: Tensor
    offset: Tensor


def nearest_plane(model: Model, x: Tensor, y: Tensor, norm: Norm, y_target: Tensor | None) -> tuple[Tensor, Planes]:
    """Logits, float (N, K), and the nearest of the boundaries with other classes, as they look from x.

    One forward pass, and a backward pass a rival: `RIVALS` at most, one when there is a target.

    Args:
        x: float (N, ...).
        y, y_target: int64 (N,).
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        logits = model(x)
        planes = list(_planes(logits, x, y, y_target))
    nearest, best = planes[0], distances(planes[0], norm)
    for plane in planes[1:]:
        distance = distances(plane, norm)
        nearer = distance < best
        slope = torch.where(columns(nearer, x), plane.slope, nearest.slope)
        nearest = Planes(slope, torch.where(nearer, plane.offset, nearest.offset))
        best = torch.minimum(distance, best)
    return logits.detach(), nearest


def distances(plane: Planes, norm: Norm) -> Tensor:
    """How far x is from its plane, float (N,), in a space without bounds."""
    flat = plane.slope.flatten(1)
    size = flat.abs().sum(1) if norm == "linf" else torch.linalg.vector_norm(flat, dim=1)
    return plane.offset.abs() / size.clamp_min(1e-12)


def step_to_plane(points: Tensor, slope: Tensor, offset: Tensor, norm: Norm) -> Tensor:
    """The shortest steps, float (N, ...), that bring points onto `offset + slope . step = 0` without leaving [0, 1].

    Croce and Hein 2020, arXiv:1907.02044, section 2.3. A step moves pixel i by `min(reach * rate_i, room_i)` towards
    the plane, where the rate is 1 for L-inf and |slope_i| for L2; how far that gets is concave in the reach, so
    Newton's method finds it from below without sorting. Where the box misses the plane, the corner nearest to it.

    Args:
        points, slope: float (N, ...), points in [0, 1].
        offset: float (N,).
    """
    p, w = points.flatten(1), slope.flatten(1)
    direction = -(w * offset.sign()[:, None]).sign()
    room = torch.where(direction > 0, 1 - p, p)
    rate = torch.ones_like(w) if norm == "linf" else w.abs()
    weight, goal = w.abs(), offset.abs()
    reach, taken = torch.zeros_like(goal), torch.zeros_like(w)
    for _ in range(HALTS):
        free = rate * reach[:, None] < room
        speed = (weight * rate * free).sum(1)
        missing = goal - (weight * taken).sum(1)
        on = (missing > 1e-6 * goal) & (speed > 0)
        if not on.any():
            break
        reach = torch.where(on, reach + missing / speed.clamp_min(1e-30), reach)
        taken = torch.minimum(rate * reach[:, None], room)
    return (direction * taken).view_as(points)


def _planes(logits: Tensor, x: Tensor, y: Tensor, y_target: Tensor | None) -> Iterator[Planes]:
    own = logits.gather(1, y[:, None])
    others = logits.detach().scatter(1, y[:, None], float("-inf"))
    rivals = others.topk(min(RIVALS, logits.shape[1] - 1)).indices if y_target is None else y_target[:, None]
    gaps = logits.gather(1, rivals) - own
    for rank in range(gaps.shape[1]):
        last = rank == gaps.shape[1] - 1
        (slope,) = torch.autograd.grad(gaps[:, rank].sum(), x, retain_graph=not last)
        yield Planes(slope, gaps[:, rank].detach())
