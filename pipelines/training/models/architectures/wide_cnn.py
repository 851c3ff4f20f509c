"""A convolutional network that looks further at once: 5 x 5, no residuals, and the strongest answer of each region."""

from torch import Tensor, nn

from pipelines.training.models.architectures import HIDDEN
from pipelines.training.models.classifier import ClassifierShape


class WideConvolutional(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> features, float (N, 64), not negative."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        wide, cells = 2 * shape.features, (shape.height // 2) * (shape.width // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(shape.channels, wide, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(wide * cells, HIDDEN),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, 64)."""
        features: Tensor = self.layers(x * 2 - 1)
        return features


def wide_cnn(shape: ClassifierShape) -> nn.Module:
    """Two convolutions of twice `features` channels around a maximum over 2 x 2 cells."""
    return WideConvolutional(shape)
