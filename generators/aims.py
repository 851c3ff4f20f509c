"""What an attack climbs: a loss for each row, and its gradient at the inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.along import seen_by
from generators.margins import Model


@dataclass(frozen=True)
class Aim:
    """Where each of N rows should be led.

    Attributes:
        y: labels to lead away from, int64 (N,).
        soft: the same as probabilities, float (N, K), where the labels came so.
        y_target: classes to lead to, int64 (N,), or None for any other than y.
        places: which rows of the attacked batch these are, int64 (N,), or None for all of them.
    """

    y: Tensor
    soft: Tensor | None = None
    y_target: Tensor | None = None
    places: Tensor | None = None

    def rows(self, chosen: Tensor) -> "Aim":
        """The aim of some rows, bool (N,) or int64 (M,)."""
        soft, y_target = (part if part is None else part[chosen] for part in (self.soft, self.y_target))
        places = torch.arange(len(self.y), device=self.y.device) if self.places is None else self.places
        return Aim(self.y[chosen], soft, y_target, places[chosen])

    def asked(self, model: Model) -> Model:
        """The model, told which rows it is asked about."""
        return seen_by(model, self.places)

    def errs(self, logits: Tensor) -> Tensor:
        """Bool (N,): the model, by its float (N, K), gives any other class than y."""
        return logits.argmax(1) != self.y


RowLoss: TypeAlias = Callable[[Tensor, Aim], Tensor]
"""Logits, float (N, K), and where to lead them -> float (N,), higher the nearer."""


def aim_of(x: Tensor, y: Tensor, y_target: Tensor | None) -> Aim:
    """The aim of a batch, checked.

    Args:
        x: float (N, ...) in [0, 1].
        y: int64 (N,), or soft labels, float (N, K).
        y_target: int64 (N,) or None.

    Raises:
        ValueError: x leaves [0, 1] or holds NaN, or lengths differ.
    """
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x must lie in [0, 1], got {x.min():.3g} to {x.max():.3g}")
    if len(y) != len(x) or (y_target is not None and len(y_target) != len(x)):
        raise ValueError(f"{len(x)} inputs, {len(y)} labels, {len(x if y_target is None else y_target)} targets")
    soft = y if y.is_floating_point() else None
    return Aim(y if soft is None else soft.argmax(1), soft, y_target)


def cross_entropy(logits: Tensor, aim: Aim) -> Tensor:
    """Cross-entropy of y, or less that of the target: float (N,)."""
    if aim.y_target is not None:
        return -F.cross_entropy(logits, aim.y_target, reduction="none")
    return F.cross_entropy(logits, aim.y if aim.soft is None else aim.soft, reduction="none")


def logits_ratio(logits: Tensor, aim: Aim) -> Tensor:
    """Difference of logits ratio, float (N,), which no scale of the logits changes; positive where the row is broken.

    Croce and Hein 2020, arXiv:2003.01690, equation 6, and equation 7 for a target.

    Raises:
        ValueError: fewer than 3 classes, or 4 with a target.
    """
    needed = 3 if aim.y_target is None else 4
    if logits.shape[1] < needed:
        raise ValueError(f"DLR needs {needed} classes, got {logits.shape[1]}: take apgd_ce or fab")
    top = logits.topk(needed, dim=1).values
    own = logits.gather(1, aim.y[:, None])[:, 0]
    if aim.y_target is None:
        best_other = torch.where(logits.argmax(1) == aim.y, top[:, 1], top[:, 0])
        return (best_other - own) / (top[:, 0] - top[:, 2] + 1e-12)
    wanted = logits.gather(1, aim.y_target[:, None])[:, 0]
    return (wanted - own) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12)


def climbed(model: Model, x: Tensor, aim: Aim, loss: RowLoss) -> tuple[Tensor, Tensor, Tensor]:
    """One forward and backward pass: logits, float (N, K), losses, float (N,), and their gradient, float (N, ...)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        logits = aim.asked(model)(x)
        losses = loss(logits, aim)
        (gradient,) = torch.autograd.grad(losses.sum(), x)
    return logits.detach(), losses.detach(), gradient
