"""GAN inversion: the latents at which a generator draws given images.

A feed-forward guess, then optimisation of z at the fixed label, as in iGAN: Zhu et al. 2016, arXiv:1609.03552.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Draw = Callable[[Tensor, Tensor], Tensor]
"""z, float (N, Z), and labels, int64 (N,) -> images, float (N, C, H, W) in [0, 1]."""


@dataclass(frozen=True)
class EncoderShape:
    """What an encoder must know of its generator."""

    pixels: int
    """C * H * W."""
    classes: int
    latent: int
    width: int = 256


class Encoder(nn.Module):
    """Images, float (N, C, H, W) in [0, 1], and labels, int64 (N,) -> z, float (N, Z)."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.stem = nn.Linear(shape.pixels + shape.classes, shape.width)
        self.hidden, self.out = nn.Linear(shape.width, shape.width), nn.Linear(shape.width, shape.latent)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Float (N, C, H, W) and int64 (N,) -> float (N, Z)."""
        label = F.one_hot(y, self.shape.classes).to(x.dtype)
        seen = F.leaky_relu(self.stem(torch.cat([x.flatten(1) * 2 - 1, label], 1)), 0.2)
        z: Tensor = self.out(F.leaky_relu(self.hidden(seen), 0.2))
        return z


def fit_encoder(generator: Draw, shape: EncoderShape, *, steps: int = 200, batch_size: int = 128) -> Encoder:
    """Train an encoder to find the latents of what the generator draws, z -> image -> z.

    It follows from the generator alone: what is drawn comes from a seed of its own.

    Returns:
        The encoder in eval mode, frozen.
    """
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = Encoder(shape)
    optimiser = torch.optim.Adam(encoder.parameters(), 2e-3)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 2e-3 * (1 - step / steps)
        z = torch.randn(batch_size, shape.latent, generator=rng)
        y = torch.randint(shape.classes, (batch_size,), generator=rng)
        with torch.no_grad():
            x = generator(z, y)
        with torch.enable_grad():
            loss = F.mse_loss(encoder(x, y), z)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return encoder.eval().requires_grad_(False)


def invert(generator: Draw, x: Tensor, y: Tensor, start: Tensor, steps: int, *, learning_rate: float = 0.1) -> Tensor:
    """Descend from `start`, float (N, Z), in the squared distance between what is drawn and x, by Adam.

    Args:
        x: images, float (N, C, H, W) in [0, 1].
        y: their labels, int64 (N,).
        steps: with a rate that falls to nothing; 0 leaves the start.

    Returns:
        Latents, float (N, Z); not held to any length.
    """
    z = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([z], learning_rate)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = learning_rate * (1 - step / steps)
        with torch.enable_grad():
            (z.grad,) = torch.autograd.grad((generator(z, y) - x).square().sum(), z)
        optimiser.step()
    return z.detach()
