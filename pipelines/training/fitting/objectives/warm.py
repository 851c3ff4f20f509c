"""Short attacks that go on where they ended: Zheng et al. 2020, arXiv:1912.11969, without its inverse augmentation."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.balls import project, random_point
from pipelines.training.fitting.objectives import Memory, Plan

MOST = 65_536
"""Images remembered; one more, and all are forgotten."""


def warm(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x_adv), the attack starting from the x_adv that the same image had when it was last seen; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().

    Images are known by their 8-bit content, so one that is augmented afresh is new each time, and its attack starts at
    a random point. With two steps an attack costs a fifth of PGD-10 and, over the epochs, becomes as long.
    """
    keys, (seen, kept) = _keys(x), _remembered(x, memory)
    same = keys[:, None] == seen[None]
    known, place = same.any(1), same.int().argmax(1) if len(seen) else keys
    x_adv = random_point(x, plan.ball, memory.rng)
    x_adv[known] = kept[place[known]]
    one = replace(plan.ball, epsilon=plan.ball.step_size, steps=1, random_start=False, stop_early=False)
    for _ in range(plan.ball.steps):
        x_adv = project(plan.attack(model, x_adv, y, one, memory.rng), x, plan.ball)
    kept[place[known]] = x_adv[known]
    memory.tensors |= {"keys": torch.cat([seen, keys[~known]]), "x_adv": torch.cat([kept, x_adv[~known]])}
    return F.cross_entropy(model(x_adv), y)


def _remembered(x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    """Keys of the images seen, int64 (M,), and their x_adv, float (M, ...)."""
    kept = memory.tensors
    if "keys" not in kept or len(kept["keys"]) > MOST:
        return torch.empty(0, dtype=torch.int64, device=x.device), x[:0]
    return kept["keys"], kept["x_adv"]


def _keys(x: Tensor) -> Tensor:
    """A hash of each row's 8-bit content, int64 (N,): a sum that wraps around is the same in any order."""
    pixels = (x * 255).round().long().flatten(1)
    salt = torch.randint(-(2**62), 2**62, pixels.shape[1:], generator=torch.Generator().manual_seed(0))
    return (pixels * salt.to(x.device)).sum(1)
