"""Kinds of classifier: one file an architecture, which exports a function of its own name, signature `Trunk`.

They see an image in different ways, so that what fools one need not fool the next.
"""

from typing import TYPE_CHECKING, Protocol

from torch import nn

if TYPE_CHECKING:
    from pipelines.training.models.classifier import ClassifierShape

HIDDEN = 64
"""Features that every trunk ends in, before the linear layer that gives the logits."""


class Trunk(Protocol):
    """What every file of this folder exports."""

    def __call__(self, shape: "ClassifierShape") -> nn.Module:
        """A network: images, float (N, C, H, W) in [0, 1] -> features, float (N, 64), not negative."""
