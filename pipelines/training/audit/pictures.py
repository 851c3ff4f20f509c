"""The smallest changes that fool the model, as pictures: the sample, what fools, and the difference amplified."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from data.records import Batch
from generators.options import Norm
from pipelines.training.audit.figures import Break, Kind
from pipelines.training.audit.rows import Kept, Rows, smallest

MOST = 96
"""Pixels a side that a picture takes at most in the page; larger ones are made smaller."""


@dataclass(frozen=True)
class Found:
    """A break and its pixels, float (C, H, W) in [0, 1], before and after."""

    about: Break
    x: np.ndarray
    x_adv: np.ndarray


@dataclass(frozen=True)
class Picture:
    """As the page shows it: three data URIs, and how often the difference is amplified."""

    about: Break
    x: str
    x_adv: str
    difference: str
    amplified: int


def picture_of(found: Found) -> Picture:
    """Three pictures; in the third, mid-grey is no change."""
    delta = found.x_adv - found.x
    amplified = max(1, int(0.5 / max(1e-6, float(np.abs(delta).max())) + 1e-4))  # 1e-4: float32 rounds
    x, x_adv, difference = (_data_uri(pixels) for pixels in (found.x, found.x_adv, 0.5 + delta * amplified))
    return Picture(found.about, x, x_adv, difference, amplified)


def _data_uri(pixels: np.ndarray) -> str:
    rows = (pixels.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(rows[:, :, 0] if rows.shape[2] == 1 else rows)
    if max(image.size) > MOST:
        image.thumbnail((MOST, MOST))
    out = io.BytesIO()
    image.save(out, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def breaks_of(batch: Batch, norm: Norm, finds: Mapping[str, tuple[Rows, Kept]]) -> list[Found]:
    """Of each class the smallest change of all attacks, and one about the median, of those whose pixels are kept.

    Args:
        batch: the samples that were attacked, in the attacks' order.
        finds: attack -> what it found, and the pixels kept of it.

    Returns:
        The class with the smallest change first; of each class the nearest, then the typical one.
    """
    worst, by = smallest([rows for rows, _ in finds.values()])
    names, kept = list(finds), [dict(zip(some.rows.tolist(), some.x_adv, strict=True)) for _, some in finds.values()]
    shown = [row for row in range(len(by)) if row in kept[by[row]]]

    def found(row: int, kind: Kind) -> Found:
        label, says, length = int(batch.labels[row]), int(worst.says[row]), float(worst.length[row])
        about = Break(batch.keys[row], kind, label, says, norm, length, names[by[row]])
        return Found(about, batch.inputs["image"][row].numpy(), kept[by[row]][row])

    labels = batch.labels.numpy()
    pairs = [_two_of(label, labels, worst.length, shown) for label in np.unique(labels[shown])]
    pairs.sort(key=lambda pair: float(worst.length[pair[0]]))
    kinds: tuple[Kind, ...] = ("nearest", "typical")
    return [found(row, kind) for pair in pairs for row, kind in zip(pair, kinds, strict=False)]


def _two_of(label: int, labels: np.ndarray, length: np.ndarray, shown: Sequence[int]) -> list[int]:
    """Rows of a class among `shown`: that of the smallest change, and of the others the one nearest to the median."""
    nearest, *others = sorted((row for row in shown if labels[row] == label), key=lambda row: float(length[row]))
    median = float(np.median(length[(labels == label) & (length > 0)]))
    return [nearest, min(others, key=lambda row: abs(float(length[row]) - median))] if others else [nearest]
