"""What figures on a few hundred samples and a few seeds can show."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, mean, stdev
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from generators.pairs import chance_of

DRAWS = 4000
"""Bootstrap resamples."""

Flags: TypeAlias = NDArray[np.bool_]
"""Where a model is right: bool (N,), or (S, N) over seeds."""


@dataclass(frozen=True)
class Interval:
    """Percent, and the 95 % interval around it."""

    percent: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """One minus another, in points: the mean and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Disagreement:
    """Two models on the same samples.

    Attributes:
        only_first, only_second: samples on which one alone is right.
        chance: probability of a split at least so uneven, either way, were the models equally good.
    """

    only_first: int
    only_second: int
    chance: float


def accuracy(right: Flags) -> Interval:
    """Share of bool (N,) that is true, with Wilson's interval: Wilson 1927, JASA 22:209.

    Unlike mean ± 2 deviations it stays within 0 and 100 and has a width when all or none are right.

    Raises:
        ValueError: there is no sample.
    """
    if not right.size:
        raise ValueError("an accuracy needs at least one sample, got none")
    count, share, z = right.size, float(right.mean()), NormalDist().inv_cdf(0.975)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(100 * share, 100 * max(0.0, middle - reach), 100 * min(1.0, middle + reach))


def mcnemar(first: Flags, second: Flags) -> Disagreement:
    """Compare two models on the same samples, bool (N,) each: McNemar's test, exact, two-sided.

    It tells one training of each apart; whether another seed would say the same is for `difference`.

    Raises:
        ValueError: the samples cannot be the same.
    """
    _must_pair(first, second)
    ahead, behind = int((first & ~second).sum()), int((second & ~first).sum())
    return Disagreement(ahead, behind, min(1.0, 2 * chance_of(max(ahead, behind), min(ahead, behind))))


def difference(first: Flags, second: Flags) -> Difference:
    """A paired bootstrap over test samples and, when there are several, over seeds; bool (S, N) each.

    Each draw takes seeds and samples with replacement, the same ones for both; the interval is the middle 95 %.
    With one seed it says nothing of how much another seed would differ.

    Raises:
        ValueError: the samples or seeds cannot be the same.
    """
    _must_pair(first, second)
    gap = first.astype(float) - second.astype(float)
    draw = np.random.default_rng(0)
    seeds, samples = gap.shape
    means = []
    for _ in range(DRAWS):
        rows = draw.integers(seeds, size=seeds)
        means.append(gap[rows].mean(0)[draw.integers(samples, size=samples)].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(*(100 * float(value) for value in (gap.mean(), low, high)))


def spread(values: Sequence[float]) -> str:
    """Mean and, with several seeds, standard deviation: `81.2 ± 0.7`."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{mean(values):.1f}"


def _must_pair(first: Flags, second: Flags) -> None:
    if first.shape != second.shape:
        raise ValueError(f"pairs need the same samples, got flags of shape {first.shape} and {second.shape}")
