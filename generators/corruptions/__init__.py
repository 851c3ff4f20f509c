"""Common corruptions: one file a corruption, which exports a function of its own name, a `Corruption`.

In the spirit of MNIST-C (Mu and Gilmer 2019, arXiv:1906.02337) and of ImageNet-C and CIFAR-10-C (Hendrycks and
Dietterich 2019, arXiv:1903.12261). Each file says whose amounts it takes. Lengths are shares of the image's side, so
that 8x8 and 224x224 images are corrupted alike; where a share would be less than a pixel matters, a floor in pixels.
Warps follow MNIST-C, but stop where a digit can still be read: its default severity is our 4 or 5.
"""

from typing import Protocol

import torch
from torch import Tensor


class Corruption(Protocol):
    """What every file of this folder exports."""

    def __call__(self, x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
        """Corrupt a batch, each image by itself.

        Args:
            x: float (N, C, H, W) in [0, 1].
            severity: 1, mild, to 5, severe.
            rng: all that is drawn.

        Returns:
            Float (N, C, H, W) in [0, 1], without a gradient.

        Raises:
            ValueError: there is no such severity.
        """
