"""Encoders of one modality each: x as it comes -> a vector; every network fits itself to the form of its input."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from data.errors import WrongUse
from data.forms import Form

COARSE = 8
"""Strided convolutions go on until no side is longer than this."""
HOP, WINDOW = 128, 256
"""Of the spectrogram: samples from window to window, samples of one."""


class Scaled(nn.Module):
    """Divides features, float (N, ..., D), by their units; gives float (N, D, T), time last, or (N, D) of one frame."""

    unit: Tensor

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.register_buffer("unit", torch.tensor(form.unit or [1.0]))

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, ..., D) -> float (N, D, T) or (N, D)."""
        scaled = x / self.unit
        return scaled.flatten(1, -2).transpose(1, 2) if x.ndim > 2 else scaled


class Spectrogram(nn.Module):
    """Log power of short-time Fourier transforms; silence has a floor, where the gradient stays finite.

    The floor also bounds what an attack can do where nobody speaks: docs/modalities.md.
    """

    window: Tensor

    def __init__(self, quiet: float) -> None:
        super().__init__()
        self.quiet = quiet
        self.register_buffer("window", torch.hann_window(WINDOW))

    def forward(self, x: Tensor) -> Tensor:
        """Sound, float (N, C, T) in [-1, 1] -> float (N, C * 129, frames)."""
        rows = x.flatten(0, 1)
        found = torch.stft(rows, WINDOW, HOP, window=self.window, return_complex=True)
        power = found.real.square() + found.imag.square()
        return (power + self.quiet).log().reshape(len(x), -1, power.shape[-1])


class Letters(nn.Module):
    """Bytes of text, uint8 (N, L), as vectors, float (N, E, L); or float (N, L, 256), each byte as weights of all."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.table = nn.Embedding(256, features)

    def forward(self, x: Tensor) -> Tensor:
        """Uint8 (N, L), or float (N, L, 256), which has a gradient -> float (N, E, L)."""
        found: Tensor = x @ self.table.weight if x.is_floating_point() else self.table(x.long())
        return found.transpose(1, 2)


class Anywhere(nn.Module):
    """The most that each channel says at any place: a word means the same wherever it stands."""

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, L) -> float (N, C)."""
        return x.amax(2)


def encoder_of(modality: str, form: Form, features: int, hidden: int, quiet: float) -> nn.Module:
    """A network from x of this modality and form, (N, ...), to float (N, hidden), not negative.

    Args:
        features: channels of its first layer.
        quiet: power of a window of sound below which all is silence.

    Raises:
        WrongUse: there is no encoder of that modality.
    """
    ways: Mapping[str, Callable[[Form, int, int], list[nn.Module]]] = {
        "image": _image,
        "features": _features,
        "audio": partial(_audio, quiet=quiet),
        "text": _text,
    }
    if modality not in ways:
        raise WrongUse(f"no encoder of {modality}: there is one of {', '.join(ways)}")
    return nn.Sequential(*ways[modality](form, features, hidden), nn.ReLU())


def _image(form: Form, features: int, hidden: int) -> list[nn.Module]:
    channels, height, width = form.shape
    layers: list[nn.Module] = []
    while max(height, width) > COARSE or not layers:
        layers += [nn.Conv2d(channels, features, 3, 2, 1), nn.ReLU()]
        channels, features, height, width = features, min(2 * features, 64), (height + 1) // 2, (width + 1) // 2
    return [*layers, nn.Flatten(), nn.Linear(channels * height * width, hidden)]


def _features(form: Form, features: int, hidden: int) -> list[nn.Module]:
    wide = form.shape[-1]
    if len(form.shape) == 1:
        return [Scaled(form), nn.Linear(wide, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, hidden)]
    frames = int(torch.tensor(form.shape[:-1]).prod())
    return [Scaled(form), *_over_time(wide, frames, 4 * features, hidden)]


def _audio(form: Form, features: int, hidden: int, quiet: float) -> list[nn.Module]:
    channels, samples = form.shape
    return [Spectrogram(quiet), *_over_time(channels * (WINDOW // 2 + 1), samples // HOP + 1, 4 * features, hidden)]


def _text(form: Form, features: int, hidden: int) -> list[nn.Module]:
    wide = 4 * features
    return [Letters(features), nn.Conv1d(features, wide, 5, 1, 2), nn.ReLU(), Anywhere(), nn.Linear(wide, hidden)]


def _over_time(channels: int, length: int, features: int, hidden: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    while length > 10 or not layers:
        layers += [nn.Conv1d(channels, features, 5, 2, 2), nn.ReLU()]
        channels, length = features, (length + 1) // 2
    return [*layers, nn.Flatten(), nn.Linear(channels * length, hidden)]
