"""Patches that talk to each other by learned weights: neither convolution nor fully connected.

MLP-Mixer: Tolstikhin et al. 2021, arXiv:2105.01601, without its normalisation, with patches of 2 x 2 pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.models.architectures import HIDDEN
from pipelines.training.models.classifier import ClassifierShape


class Mixer(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> features, float (N, 64), not negative."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        wide, cells = 2 * shape.features, (shape.height // 2) * (shape.width // 2)
        self.patches = nn.Conv2d(shape.channels, wide, 2, stride=2)
        self.across = nn.ModuleList(_pair(cells, cells) for _ in range(2))
        self.within = nn.ModuleList(_pair(wide, 2 * wide) for _ in range(2))
        self.hidden = nn.Linear(wide * cells, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, 64)."""
        seen = self.patches(x * 2 - 1).flatten(2)
        for across, within in zip(self.across, self.within, strict=True):
            seen = seen + across(seen)
            seen = seen + within(seen.transpose(1, 2)).transpose(1, 2)
        return F.relu(self.hidden(F.relu(seen).flatten(1)))


def mixer(shape: ClassifierShape) -> nn.Module:
    """Two rounds of mixing across the patches and within each, of twice `features` channels."""
    return Mixer(shape)


def _pair(width: int, between: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, between), nn.ReLU(), nn.Linear(between, width))
