"""The GAN's two networks, small and convolutional."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class GanShape:
    """What both networks must agree on."""

    channels: int
    height: int
    width: int
    classes: int
    latent: int
    features: int


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))), float (N, C, H, W); starts as the identity (zero-initialised last layer)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) -> the same shape."""
        out: Tensor = x + self.second(F.relu(self.first(F.relu(x))))
        return out


class Generator(nn.Module):
    """z, float (N, Z), and labels, int64 (N,) -> images, float (N, C, H, W) in [0, 1]. H and W are even."""

    def __init__(self, shape: GanShape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.classes, shape.features)
        self.ground = nn.Linear(
            shape.latent + shape.features, shape.features * (shape.height // 2) * (shape.width // 2)
        )
        self.coarse, self.fine = Residual(shape.features), Residual(shape.features)
        self.out = nn.Conv2d(shape.features, shape.channels, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Float (N, Z) and int64 (N,) -> float (N, C, H, W) in [0, 1]."""
        shape = self.shape
        ground = self.ground(torch.cat([z, self.embedding(y)], 1))
        coarse = self.coarse(ground.view(-1, shape.features, shape.height // 2, shape.width // 2))
        fine = self.fine(F.interpolate(coarse, scale_factor=2, mode="bilinear"))
        return torch.sigmoid(self.out(F.leaky_relu(fine, 0.2)))


class Discriminator(nn.Module):
    """Images, float (N, C, H, W) in [0, 1], and labels, int64 (N,) -> realism, float (N,).

    The label enters by projection: Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, shape: GanShape) -> None:
        super().__init__()
        half = shape.features // 2
        self.stem = nn.Conv2d(shape.channels, half, 3, padding=1)
        self.fine = Residual(half)
        self.down = nn.Conv2d(half, shape.features, 3, stride=2, padding=1)
        self.coarse = Residual(shape.features)
        self.head = nn.Linear(shape.features * (shape.height // 2) * (shape.width // 2), 64)
        self.embedding, self.bias = nn.Embedding(shape.classes, 64), nn.Linear(64, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Float (N, C, H, W) and int64 (N,) -> float (N,)."""
        fine = self.fine(self.stem(x * 2 - 1))
        coarse = self.coarse(F.leaky_relu(self.down(fine), 0.2))
        seen = F.leaky_relu(self.head(F.leaky_relu(coarse, 0.2).flatten(1)), 0.2)
        realism: Tensor = self.bias(seen)[:, 0] + (seen * self.embedding(y)).sum(1) / 8
        return realism
