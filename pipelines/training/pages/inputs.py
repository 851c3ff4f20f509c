"""Inputs of any modality as a page shows them: pictures, spectrograms that can be heard, heat maps, text."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image

from data.forms import Form
from data.modalities import modality

LEAST = 96
"""Screen pixels of the longer side of a small picture, and of both sides of a table of numbers, or more."""
MOST = 320
"""Pixels a side that a picture takes at most in the page; larger ones are made smaller."""
WINDOW, HOP = 256, 128
"""Samples of one column of a spectrogram, and from one to the next."""
FLOOR = 1e-3
"""Power below which all is silence."""


@dataclass(frozen=True)
class Shown:
    """One input.

    Attributes:
        kind: what it is, for those who do not see it.
        picture, sound: data URIs, or the empty string.
        text: likewise, what it says.
    """

    kind: str
    picture: str = ""
    sound: str = ""
    text: str = ""


def shown(name: str, versions: Sequence[np.ndarray], form: Form) -> list[Shown]:
    """Versions of one input, on one scale, so that they can be compared.

    Args:
        name: the modality.
        versions: what is kept of each, (...).
        form: of the modality: sound needs its rate, features their unit.
    """
    return _WAYS[name](versions, form)


def _image(versions: Sequence[np.ndarray], form: Form) -> list[Shown]:
    rows = [pixels.transpose(1, 2, 0) for pixels in versions]
    return [Shown("picture", _png(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)) for pixels in rows]


def _audio(versions: Sequence[np.ndarray], form: Form) -> list[Shown]:
    kind = modality("audio")
    spectra = [_spectrogram(values.astype(np.float64).mean(0) / 2**15) for values in versions]
    members = [kind.encode(kind.floats(torch.from_numpy(values)), form) for values in versions]
    pairs = zip(_coloured(spectra), members, strict=True)
    return [Shown("spectrogram", _png(pixels), _uri(flac, "audio/flac")) for pixels, flac in pairs]


def _features(versions: Sequence[np.ndarray], form: Form) -> list[Shown]:
    unit = np.array(form.unit or 1.0)
    tables = [(values / unit).reshape(-1, values.shape[-1]).T for values in versions]
    return [Shown("heat map of features", _png(pixels)) for pixels in _coloured(tables)]


def _text(versions: Sequence[np.ndarray], form: Form) -> list[Shown]:
    return [Shown("text", text=values.tobytes().rstrip(b"\0").decode(errors="replace")) for values in versions]


_WAYS: Mapping[str, Callable[[Sequence[np.ndarray], Form], list[Shown]]] = {
    "image": _image,
    "audio": _audio,
    "features": _features,
    "text": _text,
}


def _spectrogram(sound: np.ndarray) -> np.ndarray:
    """Log power, float (129, frames), low tones first, of sound (T,) in [-1, 1]."""
    padded = np.pad(sound, (0, max(0, WINDOW - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power: np.ndarray = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2
    return np.log(power + FLOOR).T


def _coloured(tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Tables of numbers as colours on one scale, uint8 (rows, columns, 3), their first row at the bottom."""
    low, high = min(table.min() for table in tables), max(table.max() for table in tables)
    scaled = [(table[::-1] - low) / ((high - low) or 1.0) for table in tables]
    cells = [mpl.colormaps["viridis"](table, bytes=True)[:, :, :3] for table in scaled]
    return [table.repeat(_times(len(table)), 0).repeat(_times(table.shape[1]), 1) for table in cells]


def _times(length: int) -> int:
    """How often so many pixels are repeated to be seen."""
    return max(1, -(-LEAST // length))


def _png(pixels: np.ndarray) -> str:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    factor = _times(max(image.size))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((MOST, MOST))
    out = io.BytesIO()
    image.save(out, "png", optimize=True)
    return _uri(out.getvalue(), "image/png")


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
