"""Sound: float (C, T) in [-1, 1] in memory, 16-bit FLAC at rest; FLAC and WAV of any rate are read, through soundfile.

A FLAC file carries the MD5 of its samples, which is compared; what libsndfile makes of a damaged frame is not trusted.
"""

import hashlib
import io
from types import ModuleType
from typing import cast

import numpy as np
import torch
from torch import Tensor

from data.errors import Damaged, WrongUse
from data.forms import Form
from data.modalities import Content, Fit, Held, Modality, furthest, no_unit
from data.refused import Refused

FULL = 2**15
"""Steps from silence to full scale."""
MOST = 64 * 2**20
"""Samples of the longest sound that is decoded: a header may claim more than memory holds."""
_FORMATS = ("FLAC", "WAV", "WAVEX")


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise WrongUse(f"sound needs soundfile, which is not here ({error}): pip install soundfile") from error
    return cast(ModuleType, soundfile)


def _take(content: Content, fit: Fit) -> Held:
    if isinstance(content, np.ndarray):
        raise Refused("not_audio", "an array carries no rate: FLAC or WAV is needed")
    if not content:
        raise Refused("empty", "no bytes")
    try:
        found, rate = _read(content)
    except Damaged as error:
        raise Refused("not_audio", str(error)) from error
    if not np.isfinite(found).all():
        raise Refused("not_finite", "a sample is NaN or infinite")
    if found.size and not (np.abs(found) <= 1).all():
        raise Refused("out_of_range", f"samples lie in [-1, 1], got {found.min():.3g} to {found.max():.3g}")
    values = (found * FULL).round().clip(-FULL, FULL - 1).astype("<i2")
    if fit.length:
        values = np.pad(values[:, : fit.length], [(0, 0), (0, max(0, fit.length - values.shape[1]))])
    if not values.size:
        raise Refused("empty", "no samples")
    return Held(values, rate)


def _read(content: bytes) -> tuple[np.ndarray, int]:
    """The samples, float64 (C, T), and how many a second."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.format not in _FORMATS:
                raise Damaged(f"{file.format}, not FLAC or WAV")
            if file.frames * file.channels > MOST:
                raise Damaged(f"claims {file.frames} samples of {file.channels} channels")
            found, rate, claimed = file.read(dtype="float64", always_2d=True), file.samplerate, file.frames
            whole = len(found) == claimed and (file.format != "FLAC" or _is_whole(content, found, file.subtype))
    except (RuntimeError, TypeError, ValueError) as error:
        raise Damaged(f"no FLAC or WAV that can be read ({getattr(error, 'error_string', error)})") from error
    if not whole:
        raise Damaged("sound that is cut or damaged: its samples are not those that were written")
    return found.T, rate


def _is_whole(content: bytes, found: np.ndarray, subtype: str) -> bool:
    """Whether the samples have the MD5 in the file's STREAMINFO (RFC 9639, section 8.2); 0 says it was not taken."""
    at = content.find(b"fLaC") + 26
    told, size = content[at : at + 16], {"PCM_S8": 1, "PCM_16": 2, "PCM_24": 3}.get(subtype, 0)
    if told == bytes(16) or not size:
        return True
    samples = (found * 2 ** (8 * size - 1)).round().astype("<i4")
    packed = np.ascontiguousarray(samples).view(np.uint8).reshape(*samples.shape, 4)[..., :size]
    return hashlib.md5(packed.tobytes(), usedforsecurity=False).digest() == told


def _floats(values: Tensor) -> Tensor:
    return values.float() / FULL


def _rest(x: Tensor) -> Tensor:
    if not ((x >= -1) & (x <= 1)).all():
        raise ValueError(f"samples of sound lie in [-1, 1], got {x.min():.3g} to {x.max():.3g}")
    return (x * FULL).round().clamp(-FULL, FULL - 1).to(torch.int16)


def _encode(x: Tensor, form: Form) -> bytes:
    if x.ndim != 2 or not x.numel():
        raise ValueError(f"sound is (channels, samples), got {tuple(x.shape)}")
    out = io.BytesIO()
    _soundfile().write(out, _rest(x).numpy().T, form.rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _decode(content: bytes, form: Form | None) -> Tensor:
    found, rate = _read(content)
    if form is not None and Form(found.shape, rate) != Form(form.shape, form.rate):
        raise Damaged(f"sound of shape {found.shape} at {rate} Hz, not {form.shape} at {form.rate} Hz")
    return torch.from_numpy((found * FULL).round().clip(-FULL, FULL - 1).astype(np.int16))


def _check(content: bytes, form: Form, *, quick: bool = False) -> None:
    _decode(content, form)


audio = Modality(
    extension="flac",
    kind="<i2",
    unit="of full scale",
    low=-1,
    high=1,
    take=_take,
    floats=_floats,
    rest=_rest,
    encode=_encode,
    decode=_decode,
    check=_check,
    unit_of=no_unit,
    moved=furthest,
)
