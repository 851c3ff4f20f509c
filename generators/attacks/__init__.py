"""Moves inputs within a ball: one file an attack, which exports a function of its own name.

Every attack has the signature of `Attack` and promises: the result lies in [0, 1] and within the ball, and the
model's mode and its parameters' gradients are as they were.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from generators.margins import Model


@dataclass(frozen=True)
class Ball:
    """Where an attack may go, and how it steps."""

    epsilon: float = 0.12
    """Radius in input units."""
    norm: Literal["linf"] = "linf"
    steps: int = 7
    step_size: float = 0.03
    """In input units."""

    def __post_init__(self) -> None:
        if not self.epsilon >= 0:
            raise ValueError(f"epsilon must be >= 0, got {self.epsilon}")
        if not self.steps >= 0:
            raise ValueError(f"steps must be >= 0, got {self.steps}")
        if not self.step_size >= 0:
            raise ValueError(f"step_size must be >= 0, got {self.step_size}")


class Attack(Protocol):
    """What every file of this folder exports."""

    def __call__(self, model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator) -> Tensor:
        """x_adv, float (N, ...), for x in [0, 1], float (N, ...), and y, int64 (N,) or soft labels (N, K)."""
