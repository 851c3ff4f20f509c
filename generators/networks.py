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
    discriminator_features: int


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
    """z, float (N, Z), and labels, int64 (N,), or mixed ones, float (N, K) -> images, float (N, C, H, W) in [0, 1].

    H and W are even. A mixed label stands for the mix of its classes' embeddings, on the way from one to another.
    """

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
        """Float (N, Z) and int64 (N,) or float (N, K) -> float (N, C, H, W) in [0, 1]."""
        shape = self.shape
        label = y @ self.embedding.weight if y.is_floating_point() else self.embedding(y)
        ground = self.ground(torch.cat([z, label], 1))
        coarse = self.coarse(ground.view(-1, shape.features, shape.height // 2, shape.width // 2))
        fine = self.fine(F.interpolate(coarse, scale_factor=2, mode="bilinear"))
        return torch.sigmoid(self.out(F.leaky_relu(fine, 0.2)))


class Discriminator(nn.Module):
    """Images, float (N, C, H, W) in [0, 1], and labels, int64 (N,) -> realism, float (N,).

    Fully connected: on images this small it covers the training set better than a convolutional one, at a third of
    the time (docs/results.md). The label enters by projection: Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, shape: GanShape) -> None:
        super().__init__()
        width = shape.discriminator_features
        self.stem = nn.Linear(shape.channels * shape.height * shape.width, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.bias, self.embedding = nn.Linear(width, 1), nn.Embedding(shape.classes, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Float (N, C, H, W) and int64 (N,) -> float (N,)."""
        seen = F.leaky_relu(self.stem((x * 2 - 1).flatten(1)), 0.2)
        for layer in self.layers:
            seen = seen + F.leaky_relu(layer(seen), 0.2)
        realism: Tensor = self.bias(seen)[:, 0] + (seen * self.embedding(y)).sum(1)
        return realism
