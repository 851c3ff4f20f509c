"""The 1,797 handwritten digits that scikit-learn bundles: UCI ML hand-written digits, 8x8 grey, 10 classes."""

import numpy as np
from sklearn.datasets import load_digits

from data.sources import Found, Source, SourceOptions


def digits(options: SourceOptions) -> Source:
    """Images of 17 grey levels, as 8-bit pixels."""
    bunch = load_digits()
    pixels = (bunch.images * (255 / 16)).round().astype(np.uint8)
    rows = enumerate(zip(pixels, bunch.target.tolist(), strict=True))
    return Source(tuple("0123456789"), (Found(f"digits[{row}]", image, label) for row, (image, label) in rows))
