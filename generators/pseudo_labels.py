"""Labels that models give to samples without any."""

import torch
from torch import Tensor

ROUNDS = 100
"""Of rescaling; on a thousand samples the shares are then within 1e-3 of those wanted."""


def evened(probabilities: Tensor, strength: float) -> Tensor:
    """Probabilities rescaled so that the classes' shares move towards even ones.

    By Sinkhorn's iteration: columns and rows are scaled in turn, so that the sample most like a rare class is the first
    to go to it. Models that doubt a whole class, as they do of another domain, name it too rarely.

    Args:
        probabilities: float (N, K), rows summing to 1.
        strength: 0 leaves the shares as they are, 1 makes them equal.

    Returns:
        Float (N, K), rows summing to 1.
    """
    wanted = torch.lerp(probabilities.mean(0), torch.full_like(probabilities[0], 1 / probabilities.shape[1]), strength)
    found = probabilities.clamp_min(1e-8)
    for _ in range(ROUNDS):
        found = found * (wanted / found.mean(0))
        found = found / found.sum(1, keepdim=True)
    return found
