"""Networks that make several modalities at once, from one latent and a condition: a class, or an encoding of an input.

Inside they speak of *codes*: an image in [-1, 1], or features in standard deviations with a last row that says which
frames there are; what goes in and out are the modalities' own x.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data.errors import WrongUse
from data.forms import Form

COARSE_FRAMES = 10
"""Frames of features below which a generator does not halve them."""
Inputs = Mapping[str, Tensor]
"""Modality -> x (N, ...), or a code of it."""


@dataclass(frozen=True)
class PairShape:
    """What the generator and the discriminator must agree on.

    Attributes:
        forms: modality -> form of what is made, by name.
        condition: length of the condition.
        latent: Z.
        features: channels of a generator's convolutions; its trunk is eight times as wide.
        discriminator_features: width of the discriminator.
    """

    forms: Mapping[str, Form]
    condition: int
    latent: int
    features: int
    discriminator_features: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "forms", dict(sorted(self.forms.items())))


class Frames(nn.Module):
    """Between features, float (N, ..., D), and their code, float (N, D + 1, T), T being 1 for a single row.

    A frame that is all zero is padding: its code is 0 and its last row says that it is not there.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form
        self.register_buffer("mean", torch.zeros(form.shape[-1]))
        self.register_buffer("spread", torch.ones(form.shape[-1]))

    def fit(self, x: Tensor) -> None:
        """Take mean and standard deviation from real features, float (N, ..., D)."""
        frames = x.reshape(-1, x.shape[-1])
        there = frames[(frames != 0).any(1)]
        self.mean.copy_(there.mean(0))
        self.spread.copy_(there.std(0, correction=0).clamp_min(1e-6 * there.abs().amax().clamp_min(1e-6)))

    def inward(self, x: Tensor) -> Tensor:
        """Float (N, ..., D) -> float (N, D + 1, T)."""
        frames = x.reshape(len(x), -1, x.shape[-1])
        there = (frames != 0).any(2, keepdim=True).to(x)
        return torch.cat([(frames - self.mean) / self.spread * there, there], 2).transpose(1, 2)

    def outward(self, code: Tensor) -> Tensor:
        """Float (N, D + 1, T) -> float (N, ..., D), zero where no frame is."""
        frames = code.transpose(1, 2)
        x = (frames[..., :-1] * self.spread + self.mean) * (frames[..., -1:] > 0.5)
        return x.reshape(len(x), *self.form.shape)


class Pixels(nn.Module):
    """Between images, float (N, C, H, W) in [0, 1], and their code, the same in [-1, 1]."""

    def fit(self, x: Tensor) -> None:
        """Nothing to learn of images, float (N, C, H, W)."""

    def inward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, C, H, W) in [-1, 1]."""
        return x * 2 - 1

    def outward(self, code: Tensor) -> Tensor:
        """Float (N, C, H, W) in [-1, 1] -> float (N, C, H, W) in [0, 1]."""
        return (code + 1) / 2


class PixelHead(nn.Module):
    """What the trunk says, float (N, W) -> the code of an image, float (N, C, H, W) in [-1, 1]."""

    def __init__(self, form: Form, features: int, wide: int) -> None:
        super().__init__()
        channels, height, width = form.shape
        times = 2 if height % 2 == width % 2 == 0 else 1
        self.ground_shape = (2 * features, height // times, width // times)
        self.ground = nn.Linear(wide, prod(self.ground_shape))
        self.fine = nn.Conv2d(2 * features, 2 * features, 3, padding=1)
        self.out = nn.Sequential(nn.Conv2d(2 * features, channels * times**2, 3, padding=1), nn.PixelShuffle(times))

    def forward(self, told: Tensor) -> Tensor:
        """Float (N, W) -> float (N, C, H, W) in [-1, 1]."""
        coarse = F.leaky_relu(self.ground(told).view(-1, *self.ground_shape), 0.2)
        return torch.tanh(self.out(F.leaky_relu(self.fine(coarse), 0.2)))


class FrameHead(nn.Module):
    """What the trunk says, float (N, W) -> the code of features, float (N, D + 1, T); their length is made as well."""

    def __init__(self, form: Form, features: int, wide: int) -> None:
        super().__init__()
        self.frames = prod(form.shape[:-1])
        halved = self.frames % 2 == 0 and self.frames // 2 >= COARSE_FRAMES
        self.ground_shape = (2 * features, self.frames // 2 if halved else self.frames)
        self.ground = nn.Linear(wide, prod(self.ground_shape))
        self.fine = nn.Conv1d(2 * features, 2 * features, 5, padding=2)
        self.out = nn.Conv1d(2 * features, form.shape[-1], 5, padding=2)
        self.length = nn.Linear(wide, 1)

    def forward(self, told: Tensor) -> Tensor:
        """Float (N, W) -> float (N, D + 1, T)."""
        coarse = F.leaky_relu(self.ground(told).view(-1, *self.ground_shape), 0.2)
        fine = self.fine(F.interpolate(coarse, size=self.frames, mode="linear"))
        there = self._there(told)
        return torch.cat([self.out(F.leaky_relu(fine, 0.2)) * there, there], 1)

    def _there(self, told: Tensor) -> Tensor:
        """Float (N, 1, T) of 0 and 1, the first frame always there; backwards it is as smooth as a sigmoid."""
        ends = torch.sigmoid(self.length(told)) * (self.frames + 1)
        soft = torch.sigmoid(ends - torch.arange(self.frames).to(ends))[:, None, :]
        hard = (soft > 0.5).to(soft)
        hard[..., 0] = 1
        return hard + soft - soft.detach()


class PairGenerator(nn.Module):
    """z, float (N, Z), and conditions, float (N, C) -> modality -> x (N, ...), all from one trunk."""

    def __init__(self, shape: PairShape) -> None:
        super().__init__()
        must_be_made(shape.forms)
        wide = 8 * shape.features
        self.shape = shape
        self.condition = nn.Linear(shape.condition, wide)
        layers = [nn.Linear(shape.latent + wide, wide), nn.LeakyReLU(0.2), nn.Linear(wide, wide), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {name: _HEADS[name](form, shape.features, wide + shape.latent) for name, form in shape.forms.items()}
        )
        self.codecs = nn.ModuleDict({name: _CODECS[name](form) for name, form in shape.forms.items()})

    def forward(self, z: Tensor, condition: Tensor) -> dict[str, Tensor]:
        """Float (N, Z) and float (N, C) -> modality -> x (N, ...)."""
        return self.outward(self.codes(z, condition))

    def codes(self, z: Tensor, condition: Tensor) -> dict[str, Tensor]:
        """Float (N, Z) and float (N, C) -> modality -> code (N, ...)."""
        # The latent also goes past the trunk, or pictures of one class hardly differ for a long time.
        told = torch.cat([self.trunk(torch.cat([z, self.condition(condition)], 1)), z], 1)
        return {name: head(told) for name, head in self.heads.items()}

    def fit(self, x: Inputs) -> None:
        """Take each modality's scale from real events, modality -> x (N, ...)."""
        for name, codec in self.codecs.items():
            cast(Pixels | Frames, codec).fit(x[name])

    def inward(self, x: Inputs) -> dict[str, Tensor]:
        """Modality -> x (N, ...) -> modality -> code (N, ...)."""
        return {name: cast(Pixels | Frames, codec).inward(x[name]) for name, codec in self.codecs.items()}

    def outward(self, codes: Inputs) -> dict[str, Tensor]:
        """Modality -> code (N, ...) -> modality -> x (N, ...)."""
        return {name: cast(Pixels | Frames, codec).outward(codes[name]) for name, codec in self.codecs.items()}


class PairDiscriminator(nn.Module):
    """Codes of all modalities together, and conditions, float (N, C) -> realism, float (N,).

    Fully connected, as the discriminator of one modality: see `Discriminator`. The condition enters by projection:
    Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, shape: PairShape) -> None:
        super().__init__()
        width, seen = shape.discriminator_features, sum(map(_size_of, shape.forms.items()))
        self.stem = nn.Linear(seen, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.bias, self.condition = nn.Linear(width, 1), nn.Linear(shape.condition, width, bias=False)
        nn.init.normal_(self.condition.weight, std=width**-0.5)

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """What `side_by_side` gives, float (N, S), and float (N, C) -> float (N,)."""
        seen = F.leaky_relu(self.stem(codes), 0.2)
        for layer in self.layers:
            seen = seen + F.leaky_relu(layer(seen), 0.2)
        realism: Tensor = self.bias(seen)[:, 0] + (seen * self.condition(condition)).sum(1)
        return realism


def side_by_side(codes: Inputs) -> Tensor:
    """Modality -> code (N, ...) -> all of them, float (N, S)."""
    return torch.cat([codes[name].flatten(1) for name in sorted(codes)], 1)


def _size_of(named: tuple[str, Form]) -> int:
    name, form = named
    return prod(form.shape[:-1]) * (form.shape[-1] + (name == "features"))


_HEADS: Mapping[str, Callable[[Form, int, int], nn.Module]] = {"image": PixelHead, "features": FrameHead}
_CODECS: Mapping[str, Callable[[Form], nn.Module]] = {"image": lambda _: Pixels(), "features": Frames}


def must_be_made(names: Iterable[str]) -> None:
    """Check that there is a generator of each modality of these names.

    Raises:
        WrongUse: there is not.
    """
    if unknown := [name for name in names if name not in _HEADS]:
        raise WrongUse(f"no generator of {', '.join(unknown)}: there is one of {', '.join(_HEADS)}")
