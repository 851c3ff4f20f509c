"""What an attack found, sample by sample, and the file that keeps it in the run's folder."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.errors import Damaged
from data.files import write_atomically

EACH = 3
"""Pictures kept of each class: so many of the smallest changes, and as many about the median."""
AT_MOST = 120
"""Pictures kept of one attack."""


@dataclass(frozen=True)
class Rows:
    """N samples under one attack.

    Attributes:
        length: float (N,): of the smallest change found that fools the model; 0 where it errs without one, inf where
            none was found.
        says: int64 (N,): what the model answers then, or else on x.
    """

    length: np.ndarray
    says: np.ndarray


@dataclass(frozen=True)
class Kept:
    """Pixels of some of the samples that an attack broke: x_adv, float (M, C, H, W), at these rows, int64 (M,)."""

    rows: np.ndarray
    x_adv: np.ndarray


class Finds:
    """What is found while an attack goes on; of each sample, the smallest change counts."""

    def __init__(self, x: Tensor, y: Tensor, answers: Tensor) -> None:
        """Begin with x, float (N, C, H, W), its labels y and the model's answers to it, both int64 (N,)."""
        self.y, self.says, self.x_adv = y, answers.clone(), x.clone()
        self.length = torch.where(answers == y, torch.inf, 0.0)

    def standing(self, radius: float) -> Tensor:
        """Rows, int64 (M,), on which no error was found within the radius; with inf, none at all."""
        return (self.length > radius if radius < torch.inf else self.length == torch.inf).nonzero()[:, 0]

    def add(self, rows: Tensor, x_adv: Tensor, length: Tensor, says: Tensor) -> None:
        """Broken rows, int64 (M,): their x_adv, float (M, C, H, W), how far that is, float (M,), the answers to it."""
        closer = length < self.length[rows]
        rows = rows[closer]
        self.x_adv[rows], self.length[rows], self.says[rows] = x_adv[closer], length[closer], says[closer]

    def write(self, path: Path) -> None:
        """Keep every length and answer, and the pixels of a few."""
        kept = telling(self.length.numpy(), self.y.numpy())
        columns = {"length": self.length.numpy(), "says": self.says.numpy()}
        columns |= {"rows": kept, "x_adv": self.x_adv.numpy()[kept]}
        out = io.BytesIO()
        np.savez_compressed(out, **columns)  # type: ignore[arg-type]
        write_atomically(path, out.getvalue())


def telling(length: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows, int64 (M,), whose changes are worth a look: of each class the smallest and those about the median.

    Args:
        length: float (N,), as of `Rows`.
        labels: int64 (N,).
    """
    chosen: set[int] = set()
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & (length > 0) & np.isfinite(length))
        ranked = rows[np.argsort(length[rows], kind="stable")]
        middle = max(0, (len(ranked) - EACH) // 2)
        if len(chosen) < AT_MOST:
            chosen |= set(ranked[:EACH].tolist()) | set(ranked[middle : middle + EACH].tolist())
    return np.array(sorted(chosen), dtype=np.int64)


def read_rows(path: Path) -> tuple[Rows, Kept]:
    """What an attack found.

    Raises:
        Damaged: the file does not hold it.
    """
    try:
        with np.load(path, allow_pickle=False) as columns:
            return Rows(columns["length"], columns["says"]), Kept(columns["rows"], columns["x_adv"])
    except (KeyError, ValueError, OSError) as error:
        raise Damaged(f"{path} holds no attack's finds ({error}): delete it and run again") from error


def smallest(found: Sequence[Rows]) -> tuple[Rows, np.ndarray]:
    """The smallest change of all attacks a sample, and the number of the attack it came from, int64 (N,)."""
    lengths = np.stack([rows.length for rows in found])
    by = lengths.argmin(0)
    columns = np.arange(len(by))
    return Rows(lengths[by, columns], np.stack([rows.says for rows in found])[by, columns]), by
