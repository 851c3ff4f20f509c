"""The figures of one norm, from what each attack found sample by sample."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from generators.options import Norm
from pipelines.training.audit.figures import AttackFigures, ClassFigures, Curve, NormFigures, Share
from pipelines.training.audit.rows import Rows, smallest
from pipelines.training.evaluation.statistics import Flags

STEPS = 40
"""Of a curve that is known at every radius."""


@dataclass(frozen=True)
class Finds:
    """All that was found in one norm.

    Attributes:
        epsilon: the radius that figures are about.
        radii: where attacks of fixed radius were tried, rising.
        labels: int64 (N,).
        alone: attack -> what it found by itself.
        nearest: those of them that look for the nearest error wherever it is.
        suite: what the suite found on the samples that all of them left standing.
        broken: attack of the suite -> samples it broke at `epsilon`, in order.
        seconds: attack by itself -> its work.
    """

    norm: Norm
    epsilon: float
    radii: Sequence[float]
    labels: np.ndarray
    class_names: Sequence[str]
    alone: Mapping[str, Rows]
    nearest: Sequence[str]
    suite: Rows
    broken: Mapping[str, int]
    seconds: Mapping[str, float]


def norm_figures(finds: Finds) -> NormFigures:
    """The figures."""
    worst, by = smallest([*finds.alone.values(), finds.suite])
    within = worst.length <= finds.epsilon
    return NormFigures(
        norm=finds.norm,
        epsilon=finds.epsilon,
        robust=Share.of_flags(~within),
        median=_median(worst.length),
        worst=_worst_curve(finds, worst.length),
        curves=[_curve(finds, name) for name in finds.alone],
        attacks=_attacks(finds, worst, by),
        classes=_classes(finds, worst),
        confusion=_confusion(finds, worst, within),
    )


def _median(length: np.ndarray) -> float | None:
    """Of the smallest changes, float (N,), of samples that need one; None where half of them or more have none."""
    needed = length[length > 0]
    middle = float(np.median(needed)) if needed.size else 0.0
    return round(middle, 5) if np.isfinite(middle) else None


def _grid(finds: Finds) -> list[float]:
    longest = finds.radii[-1]
    return sorted({round(longest * step / STEPS, 6) for step in range(STEPS + 1)} | set(finds.radii))


def _worst_curve(finds: Finds, length: np.ndarray) -> Curve:
    grid = _grid(finds)
    shares = [Share.of_flags(length > epsilon) for epsilon in grid]
    percent, low, high = ([getattr(share, name) for share in shares] for name in ("percent", "low", "high"))
    return Curve("worst", grid, percent, low, high)


def _curve(finds: Finds, name: str) -> Curve:
    grid = _grid(finds) if name in finds.nearest else [0.0, *finds.radii]
    length = finds.alone[name].length
    return Curve(name, grid, [Share.of_flags(length > epsilon).percent for epsilon in grid])


def _attacks(finds: Finds, worst: Rows, by: np.ndarray) -> list[AttackFigures]:
    firsts = Counter(by[(worst.length > 0) & np.isfinite(worst.length)].tolist())
    rows = []
    for number, (name, found) in enumerate(finds.alone.items()):
        robust = Share.of_flags(found.length > finds.epsilon)
        kind = "nearest" if name in finds.nearest else "fixed"
        rows.append(AttackFigures(name, kind, robust, firsts[number], finds.seconds[name]))  # type: ignore[arg-type]
    return rows + _survivors(finds)


def _survivors(finds: Finds) -> list[AttackFigures]:
    """The suite's attacks at epsilon, one after the other."""
    standing = smallest(list(finds.alone.values()))[0].length > finds.epsilon
    left, count, rows = int(standing.sum()), len(standing), []
    for name, broken in finds.broken.items():
        left -= broken
        robust = Share.of_flags(np.arange(count) < left)
        rows.append(AttackFigures(name, "survivors", robust, broken, None))
    return rows


def _classes(finds: Finds, worst: Rows) -> list[ClassFigures]:
    """Class by class, the weakest first; those without samples are left out."""
    rows = [_class(finds, worst, label) for label in np.unique(finds.labels).tolist()]
    return sorted(rows, key=lambda row: row.robust.percent)


def _class(finds: Finds, worst: Rows, label: int) -> ClassFigures:
    own = finds.labels == label
    length, says = worst.length[own], worst.says[own]
    wrong = Counter(says[(length <= finds.epsilon) & (says != label)].tolist())
    names = finds.class_names
    return ClassFigures(
        name=names[label],
        clean=Share.of_flags(length > 0),
        robust=Share.of_flags(length > finds.epsilon),
        median=_median(length),
        becomes=names[wrong.most_common(1)[0][0]] if wrong else "",
    )


def _confusion(finds: Finds, worst: Rows, within: Flags) -> list[list[int]]:
    says = np.where(within, worst.says, finds.labels)
    classes = len(finds.class_names)
    matrix: list[list[int]] = (
        np.bincount(finds.labels * classes + says, minlength=classes**2).reshape(classes, -1).tolist()
    )
    return matrix
