"""Moves inputs within a ball: one file an attack, which exports a function of its own name.

Every attack has the signature of `Attack` and promises: the result lies in [0, 1] and within the ball, a row that it
broke is wrong in the result, and the model's mode and its parameters' gradients are as they were.

`fgsm`, `pgd`, `apgd_ce`, `apgd_dlr` and `square` go where the model errs most within the ball; `deepfool`, `cw` and
`fab` look for the nearest error and leave a row as it was where they find none in the ball.
"""

from typing import Protocol

import torch
from torch import Tensor

from generators.margins import Model
from generators.options import Ball


class Attack(Protocol):
    """What every file of this folder exports."""

    def __call__(
        self, model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
    ) -> Tensor:
        """Attack a batch of any shape, on any device.

        Args:
            model: inputs (N, ...) -> logits (N, K).
            x: float (N, ...) in [0, 1].
            y: labels, int64 (N,), or soft labels, float (N, K).
            ball: radius, norm, and how long to look.
            rng: all that is drawn.
            y_target: classes to steer towards, int64 (N,); without them, away from y. Either way a row is broken when
                the model gives it any other class than y, as in AutoAttack.

        Returns:
            x_adv, float (N, ...).

        Raises:
            ValueError: x leaves [0, 1] or holds NaN; the attack has no such norm, or no targets.
        """
