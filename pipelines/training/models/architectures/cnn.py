"""A small residual convolutional network, 3 x 3."""

import torch.nn.functional as F
from torch import Tensor, nn

from generators.networks import Residual
from pipelines.training.models.architectures import HIDDEN
from pipelines.training.models.classifier import ClassifierShape


class Convolutional(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> features, float (N, 64), not negative."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        wide, cells = 2 * shape.features, (shape.height // 2) * (shape.width // 2)
        self.stem = nn.Conv2d(shape.channels, shape.features, 3, padding=1)
        self.fine = Residual(shape.features)
        self.down = nn.Conv2d(shape.features, wide, 3, stride=2, padding=1)
        self.coarse = Residual(wide)
        self.hidden = nn.Linear(wide * cells, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, 64)."""
        fine = self.fine(self.stem(x * 2 - 1))
        coarse = self.coarse(self.down(F.relu(fine)))
        return F.relu(self.hidden(F.relu(coarse).flatten(1)))


def cnn(shape: ClassifierShape) -> nn.Module:
    """Four convolutions of `features` and twice as many channels, then all cells together."""
    return Convolutional(shape)
