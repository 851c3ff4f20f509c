"""Fully connected: no notion of neighbouring pixels, so it shares no blind spot with a convolution."""

from torch import Tensor, nn

from pipelines.training.models.architectures import HIDDEN
from pipelines.training.models.classifier import ClassifierShape


class Perceptron(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> features, float (N, 64), not negative."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        width = 16 * shape.features
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(shape.channels * shape.height * shape.width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, HIDDEN),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, 64)."""
        features: Tensor = self.layers(x * 2 - 1)
        return features


def mlp(shape: ClassifierShape) -> nn.Module:
    """Two hidden layers, 16 times `features` wide."""
    return Perceptron(shape)
