"""What a step of adversarial training lowers: one file a loss, which exports a function of its own name.

Labels are soft everywhere, float (N, K): a row is a distribution over classes. A loss that its paper states for hard
labels is taken as its mean over that distribution, so one-hot rows give the paper's loss.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from generators.attacks import Attack
from generators.options import Ball


@dataclass(frozen=True)
class Plan:
    """What does not change during a training.

    Attributes:
        attack: makes x_adv, for objectives that take any attack.
        ball: where it may go; its steps are of no matter to the single-step objectives.
        weight: of the adversarial or consistency part; 0 for the objective's own.
        replays: steps in a row that `free` spends on one batch.
    """

    attack: Attack
    ball: Ball
    weight: float = 0.0
    replays: int = 4


@dataclass
class Memory:
    """What changes: all of it is put into the checkpoint, so that a training goes on to the bit.

    Attributes:
        rng: all that is drawn.
        step: steps done.
        tensors: what an objective keeps from step to step, by name.
        notes: what it found that a person should know, by name.
    """

    rng: torch.Generator
    step: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What every file of this folder exports."""

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
        """The loss of one step; the caller goes back through it once and steps.

        Args:
            model: inputs (N, ...) -> logits (N, K); its parameters' gradients are left as they were.
            x: float (N, ...) in [0, 1].
            y: soft labels, float (N, K), rows summing to 1.
            plan, memory: see there; an objective may write into `memory.tensors` and `memory.notes`.

        Returns:
            Float (), with a graph to the parameters.
        """


def attacked(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """x_adv by the plan's attack, float (N, ...), no graph; x itself where the ball has no steps."""
    return plan.attack(model, x, y, plan.ball, memory.rng) if plan.ball.steps else x
