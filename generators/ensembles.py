"""Several models as one, so that a search or an attack meets the boundary of all of them together."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from generators.margins import Model


def joint(models: Sequence[Model]) -> Model:
    """A model whose logits are the log of the models' mean probabilities.

    Probabilities are averaged rather than logits, so that a model with large logits has one vote and not all of them.
    A single model keeps its margins.

    Args:
        models: inputs (N, ...) -> logits (N, K), all with the same classes in the same order.

    Returns:
        Inputs (N, ...) -> log-probabilities, float (N, K).

    Raises:
        ValueError: there is no model.
    """
    if not models:
        raise ValueError("an ensemble needs a model, got none")

    def model(x: Tensor) -> Tensor:
        """Float (N, ...) -> float (N, K)."""
        logs = torch.stack([one(x).log_softmax(1) for one in models])
        return logs.logsumexp(0) - math.log(len(models))

    return model
