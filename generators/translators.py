"""CycleGAN's networks: residual generators from one domain's images to the other's, and convolutional discriminators.

As many halvings as the size allows, so that the same few lines serve images from 8x8 to 256x256.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COARSEST, MOST_STAGES = 7, 4
"""Pixels a side below which a generator does not halve its images, and how often it does at most."""
WIDEST = 4
"""Channels grow with each halving, up to so many times the first layer's."""


@dataclass(frozen=True)
class CycleShape:
    """What the four networks must agree on; images are (channels, height, width)."""

    channels: int
    height: int
    width: int
    latent: int = 8
    """Z, of the noise that makes one image into many; 0 for none."""
    features: int = 32
    """Channels of a generator's first layer."""
    blocks: int = 4
    """Residual blocks of a generator."""
    discriminator_features: int = 32
    """Channels of a discriminator's first layer."""
    classes: int = 0
    """K, where discriminators are told the class; 0 where they are not."""


def stages_of(height: int, width: int, coarsest: int = COARSEST, most: int = MOST_STAGES) -> int:
    """How often an image is halved: while both sides are even and stay at least `coarsest`, at most `most` times."""
    stages = 0
    while stages < most and height % 2 == width % 2 == 0 and min(height, width) // 2 >= coarsest:
        height, width, stages = height // 2, width // 2, stages + 1
    return stages


class Modulated(nn.Module):
    """x + conv(relu(scale * conv(relu(x)) + shift)), float (N, C, H, W); scale and shift follow from the noise.

    Starts as the identity. Noise that scales and shifts channels: Augmented CycleGAN, Almahairi et al. 2018,
    arXiv:1802.10151.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.noise = nn.Linear(latent, 2 * channels) if latent else None
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Float (N, C, H, W) and the noise, float (N, Z) -> the shape of x."""
        seen = self.first(F.relu(x))
        if self.noise is not None:
            scale, shift = self.noise(z)[:, :, None, None].chunk(2, 1)
            seen = seen * (1 + scale) + shift
        out: Tensor = x + self.second(F.relu(seen))
        return out


class Translator(nn.Module):
    """Images of one domain, float (N, C, H, W) in [0, 1], and noise, float (N, Z) -> images of the other, alike.

    Zhu et al. 2017, arXiv:1703.10593, section 7.1, without normalisation: halvings, residual blocks, doublings, here
    with the halved images handed over to the doublings, so that nothing fine is lost on the way.
    """

    def __init__(self, shape: CycleShape) -> None:
        super().__init__()
        self.shape = shape
        widths = _widths(shape.features, stages_of(shape.height, shape.width))
        self.stem = nn.Conv2d(shape.channels, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 4, stride=2, padding=1) for fine, coarse in pairs)
        self.blocks = nn.ModuleList(Modulated(widths[-1], shape.latent) for _ in range(shape.blocks))
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in reversed(pairs))
        self.out = nn.Conv2d(widths[0], shape.channels, 3, padding=1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] and float (N, Z) -> float (N, C, H, W) in [0, 1]."""
        seen, finer = self.stem(x * 2 - 1), []
        for down in self.down:
            finer.append(seen)
            seen = down(F.leaky_relu(seen, 0.2))
        for block in self.blocks:
            seen = block(seen, z)
        for up in self.up:
            seen = up(F.interpolate(F.leaky_relu(seen, 0.2), scale_factor=2, mode="nearest")) + finer.pop()
        return torch.sigmoid(self.out(F.leaky_relu(seen, 0.2)))


class DomainDiscriminator(nn.Module):
    """Images, float (N, C, H, W) in [0, 1], and what they show -> how much they look like the domain's, float (N,).

    Halvings down to 4 pixels a side, then all cells together: on small images the whole says more than patches. What
    they show, labels, int64 (N,), or probabilities, float (N, K), enters by projection, Miyato and Koyama 2018,
    arXiv:1802.05637; so a translation must look like the domain's images of its own class, not of any.
    """

    def __init__(self, shape: CycleShape) -> None:
        super().__init__()
        stages = stages_of(shape.height, shape.width, coarsest=4, most=6)
        widths = _widths(shape.discriminator_features, stages)
        self.stem = nn.Conv2d(shape.channels, widths[0], 3, padding=1)
        pairs = pairwise(widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 4, stride=2, padding=1) for fine, coarse in pairs)
        cells = (shape.height >> stages) * (shape.width >> stages)
        wide = 4 * widths[0]
        self.hidden, self.out = nn.Linear(widths[-1] * cells, wide), nn.Linear(wide, 1)
        self.classes = nn.Parameter(torch.randn(shape.classes, wide) * wide**-0.5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] and int64 (N,) or float (N, K) -> float (N,)."""
        seen = F.leaky_relu(self.stem(x * 2 - 1), 0.2)
        for down in self.down:
            seen = F.leaky_relu(down(seen), 0.2)
        seen = F.leaky_relu(self.hidden(seen.flatten(1)), 0.2)
        realism: Tensor = self.out(seen)[:, 0]
        if len(self.classes):
            realism = realism + (seen * (y @ self.classes if y.is_floating_point() else self.classes[y])).sum(1)
        return realism


def _widths(features: int, stages: int) -> list[int]:
    return [min(2**stage, WIDEST) * features for stage in range(stages + 1)]
