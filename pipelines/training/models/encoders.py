"""Encoders of one modality each: x as it comes -> a vector; every network fits itself to the form of its input."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from data.errors import WrongUse
from data.forms import Form

COARSE = 8
"""Strided convolutions go on until no side is longer than this."""
HOP, WINDOW, QUIET = 128, 256, 1e-3
"""Of the spectrogram: samples from window to window, samples of one, and the power below which all is silence."""


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
    """Log power of short-time Fourier transforms; silence has a floor, where the gradient stays finite."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW))

    def forward(self, x: Tensor) -> Tensor:
        """Sound, float (N, C, T) in [-1, 1] -> float (N, C * 129, frames)."""
        rows = x.flatten(0, 1)
        found = torch.stft(rows, WINDOW, HOP, window=self.window, return_complex=True)
        power = found.real.square() + found.imag.square()
        return (power + QUIET).log().reshape(len(x), -1, power.shape[-1])


class Letters(nn.Module):
    """Bytes of text, uint8 (N, L), as vectors, float (N, E, L)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.table = nn.Embedding(256, features)

    def forward(self, x: Tensor) -> Tensor:
        """Uint8 (N, L) -> float (N, E, L)."""
        found: Tensor = self.table(x.long())
        return found.transpose(1, 2)


def encoder_of(modality: str, form: Form, features: int, hidden: int) -> nn.Module:
    """A network from x of this modality and form, (N, ...), to float (N, hidden), not negative.

    Raises:
        WrongUse: there is no encoder of that modality.
    """
    if modality not in _ENCODERS:
        raise WrongUse(f"no encoder of {modality}: there is one of {', '.join(_ENCODERS)}")
    return nn.Sequential(*_ENCODERS[modality](form, features, hidden), nn.ReLU())


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


def _audio(form: Form, features: int, hidden: int) -> list[nn.Module]:
    channels, samples = form.shape
    return [Spectrogram(), *_over_time(channels * (WINDOW // 2 + 1), samples // HOP + 1, 2 * features, hidden)]


def _text(form: Form, features: int, hidden: int) -> list[nn.Module]:
    return [Letters(features), *_over_time(features, form.shape[0], 2 * features, hidden)]


def _over_time(channels: int, length: int, features: int, hidden: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    while length > 10 or not layers:
        layers += [nn.Conv1d(channels, features, 5, 2, 2), nn.ReLU()]
        channels, length = features, (length + 1) // 2
    return [*layers, nn.Flatten(), nn.Linear(channels * length, hidden)]


_ENCODERS: Mapping[str, Callable[[Form, int, int], list[nn.Module]]] = {
    "image": _image,
    "features": _features,
    "audio": _audio,
    "text": _text,
}
