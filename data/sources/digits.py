"""The 1,797 handwritten digits that scikit-learn bundles: UCI ML hand-written digits, 8x8 grey, 10 classes."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from data.errors import WrongUse
from data.records import Batch
from data.sources import Part, SourceOptions

CLASSES = tuple("0123456789")


def digits(part: Part, options: SourceOptions) -> Batch:
    """One part of the digits, images float (N, 1, 8, 8) in [0, 1], keys `digits-0000`...

    `labelled` samples, equally many a class, are for training; the rest is halved, stratified, into validation and
    test.

    Raises:
        WrongUse: `labelled` is no multiple of 10, or leaves a class without samples to validate or test on.
    """
    bunch = load_digits()
    rows = _split(bunch.target, options)[part]
    images = torch.from_numpy((bunch.images[rows] / 16).astype(np.float32))[:, None]
    keys = tuple(f"digits-{row:04d}" for row in rows)
    return Batch(keys, {"image": images}, torch.from_numpy(bunch.target[rows].astype(np.int64)))


def _split(labels: np.ndarray, options: SourceOptions) -> dict[Part, np.ndarray]:
    most = 10 * (np.bincount(labels).min() - 10)
    if options.labelled % 10 or options.labelled > most:
        raise WrongUse(f"source.labelled must be a multiple of 10 up to {most}, got {options.labelled}")
    draw = np.random.default_rng(options.split_seed)
    shuffled = draw.permutation(len(labels))
    by_class = [shuffled[labels[shuffled] == label] for label in range(10)]
    train = np.concatenate([rows[: options.labelled // 10] for rows in by_class])
    rest = np.setdiff1d(shuffled, train)
    validation, test = train_test_split(
        rest, test_size=0.5, stratify=labels[rest], random_state=options.split_seed
    )
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}
