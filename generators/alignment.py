"""How well a picture and a sound of the same event fit: in time, left and right, and in strength.

For pictures whose columns are time, or space, and sound that is seen in them; no network is asked.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def lags(images: Tensor, sounds: Tensor) -> Tensor:
    """How much later each sound is than what is seen, in columns: the lag at which the two correlate most.

    Args:
        images: float (N, C, H, W) in [0, 1], columns being time.
        sounds: float (N, C', T) in [-1, 1], of the same duration; T is a multiple of W.

    Returns:
        Int64 (N,) in (-W, W); of equal correlations the smallest lag.
    """
    seen, heard = images.mean((1, 2)), loudness(sounds, images.shape[3])
    seen, heard = (curve - curve.mean(1, keepdim=True) for curve in (seen, heard))
    width = seen.shape[1]
    spectra = [torch.fft.rfft(F.pad(curve, (0, width))) for curve in (seen, heard)]
    found = torch.fft.irfft(spectra[0].conj() * spectra[1], n=2 * width)
    order = torch.tensor(sorted(range(1 - width, width), key=abs))
    return order[found[:, order % (2 * width)].argmax(1)]


def loudness(sounds: Tensor, windows: int) -> Tensor:
    """Energy of float (N, C, T) in so many windows of equal length: float (N, windows).

    Raises:
        ValueError: T is no multiple of it.
    """
    count, channels, length = sounds.shape
    if length % windows:
        raise ValueError(f"{length} samples of sound do not divide into {windows} windows")
    return sounds.view(count, channels, windows, -1).square().mean((1, 3))


def seen_side(images: Tensor) -> Tensor:
    """Where the light of float (N, C, H, W) lies: float (N,) from -1, the left edge, to 1, the right one."""
    columns = images.mean((1, 2))
    places = torch.linspace(-1, 1, columns.shape[1])
    return (columns * places).sum(1) / columns.sum(1).clamp_min(1e-9)


def heard_side(sounds: Tensor) -> Tensor:
    """Where stereo sound, float (N, 2, T), comes from: float (N,) from -1, all in the first channel, to 1."""
    left, right = sounds.square().mean(2).unbind(1)
    return (right - left) / (right + left).clamp_min(1e-12)


def strengths(images: Tensor, sounds: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of mean brightness and of root mean square loudness, each float (N,)."""
    seen = images.flatten(1).mean(1).clamp_min(1e-9).log()
    return seen, sounds.flatten(1).square().mean(1).clamp_min(1e-18).log() / 2


def correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's, of two float (N,); 0 where one of them never changes."""
    first, second = one - one.mean(), other - other.mean()
    norms = first.norm() * second.norm()
    return float((first * second).sum() / norms) if norms > 0 else 0.0
