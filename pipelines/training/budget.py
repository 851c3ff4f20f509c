"""Spends candidates where most are accepted: how many of each search and class, from what a probe found.

Pure arithmetic on the probe's record, without torch: the same record gives the same allocation on any machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import WrongUse
from data.runs import Facts

PRIOR = 10.0
"""A class's acceptance is taken as if so many more candidates had been tried, accepted at its search's own rate: of few
candidates the luckiest class would else look best, and be the disappointment of the draft."""
MOST_MORE = 10.0
"""No class is taken to be accepted this many times less often than the easiest one, as in quotas."""
FEW = 20
"""Candidates of the probe that must have been kept, or it says nothing about where the next are."""

Rows = np.ndarray
"""Float (K,), a figure of each class."""


@dataclass(frozen=True)
class BudgetOptions:
    """What the run's own shards may cost, docs/plan.md; without it each part tries `shards.attempts`."""

    accepted: int = 0
    """Samples to keep, about; 0 for no such aim: no budget, or as many as the minutes buy."""
    minutes: float = 0.0
    """Work of one core at most, on search, checks and probe; 0 for no limit. As long as it does not bind, no clock has
    a say in what is made."""
    probe: int = 500
    """Candidates of each search that are tried beforehand, all classes alike."""
    search_floor: float = 0.5
    """Share of each class's candidates that follow `search.mix`; the rest go to the search accepted most often."""
    class_floor: float = 1.0
    """With `shards.balance` even: share of the candidates that try all classes alike; the rest go to the easiest."""

    def __post_init__(self) -> None:
        for name, least in (("accepted", 0), ("probe", 100)):
            if not getattr(self, name) >= least:
                raise ValueError(f"budget.{name} must be >= {least}, got {getattr(self, name)}")
        if not 0 <= self.minutes < float("inf"):
            raise ValueError(f"budget.minutes must be >= 0 and finite, got {self.minutes}")
        for name in ("search_floor", "class_floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"budget.{name} must lie in [0, 1], got {getattr(self, name)}")

    @property
    def given(self) -> bool:
        """Whether there is a budget."""
        return bool(self.accepted or self.minutes)


@dataclass(frozen=True)
class Allocation:
    """What is to be tried, and what that is expected to give.

    Attributes:
        candidates: search -> how many of each class, int (K,).
        accepted: search -> samples that are expected to be kept.
        seconds: of one core's work, in all parts, the probe not counted.
        bound: whether the minutes allow less than was asked for.
    """

    candidates: Mapping[str, Sequence[int]]
    accepted: Mapping[str, float]
    seconds: float
    bound: bool

    def part(self, number: int, parts: int) -> dict[str, list[int]]:
        """The share of one of `parts` drafts; they differ by at most one candidate in each search and class."""
        found: dict[str, list[int]] = {}
        for place, (search, counts) in enumerate(self.candidates.items()):
            turns = [(number + place + label) % parts for label in range(len(counts))]
            found[search] = [n // parts + (turn < n % parts) for n, turn in zip(counts, turns, strict=True)]
        return found


def allocate(probe: Facts, mix: Mapping[str, float], budget: BudgetOptions, parts: int) -> Allocation:
    """Divide the budget over searches and classes.

    Each class gets its due of the kept samples, as the recipe's balance and quotas say. Of its candidates a floor
    follows the recipe's mix, and the rest go to the one search that keeps most a candidate; or, where the minutes do
    not allow for that, most a second, as far as they reach.

    Args:
        probe: what `pipelines.training.probing` found.
        mix: the recipe's: search -> share of the candidates.
        budget: with one at least of `accepted` and `minutes`.
        parts: drafts among which the candidates will be divided, each of which loads its networks.

    Raises:
        WrongUse: the probe kept hardly anything, or took longer than there is time.
    """
    found = _Found.of(probe, {search: share for search, share in mix.items() if share > 0}, budget)
    if budget.accepted:
        plain = found.spent_by(np.ones_like, budget.accepted, float("inf"), parts)
        if not budget.minutes or plain.seconds + found.before <= 60 * budget.minutes:
            return plain
    left = 60 * budget.minutes - found.before - parts * found.setup
    if not left > 0:
        needed = found.before + parts * found.setup
        raise WrongUse(f"budget.minutes {budget.minutes:g} is less than probe and loading take, {needed / 60:.2g}")
    return found.spent_by(lambda seconds: seconds, budget.accepted or float("inf"), left, parts)


@dataclass(frozen=True)
class _Found:
    """The probe's figures.

    Attributes:
        mix: search -> share.
        rates: float (S, K), accepted of those tried.
        seconds: float (S,), a candidate.
        shares, have: float (K,), the balance: each class's due, and what it has of it already.
        even: whether the due is of the candidates, instead of the kept.
        before, setup: seconds of the probe, and of each draft before its first candidate.
        floor: of the searches.
    """

    mix: Mapping[str, float]
    rates: np.ndarray
    seconds: np.ndarray
    shares: Rows
    have: Rows
    even: bool
    before: float
    setup: float
    floor: float

    @classmethod
    def of(cls, probe: Facts, mix: Mapping[str, float], budget: BudgetOptions) -> "_Found":
        facts: Mapping[str, Any] = probe
        rows = [facts["searches"][search] for search in mix]
        kept, tried = (np.array([row[name] for row in rows], float) for name in ("kept", "tried"))
        if kept.sum() < FEW:
            raise WrongUse(
                f"the probe kept {kept.sum():.0f} of {tried.sum():.0f} candidates, too few to plan by: try more "
                "(--budget.probe), loosen the checks, or train generator and judges longer"
            )
        means = kept.sum(1, keepdims=True) / tried.sum(1, keepdims=True)
        rates = (kept + PRIOR * means) / (tried + PRIOR)
        shares, even = np.array(facts["shares"]), facts["balance"] == "even"
        if even:  # what is left over by the floor goes to the class whose best search keeps most
            easiest = np.where(shares > 0, rates.max(0), -1).argmax()
            shares = budget.class_floor * shares + (1 - budget.class_floor) * np.eye(len(shares))[easiest]
        seconds = np.array([row["seconds"] for row in rows])
        have, floor = np.array(facts["have"]), budget.search_floor
        return cls(mix, rates, seconds, shares, have, even, facts["spent"], facts["setup"], floor)

    def spent_by(
        self, costs: Callable[[np.ndarray], np.ndarray], accepted: float, seconds: float, parts: int
    ) -> Allocation:
        """Of each class the search with most accepted for what it `costs`; up to so many accepted, or seconds."""
        usual, ways = np.array(list(self.mix.values())), np.eye(len(self.mix))
        ways = self.floor * usual + (1 - self.floor) * ways  # (S, S): where a class's candidates go if search s is best
        gains = ways @ self.rates
        best = (gains / (ways @ costs(self.seconds))[:, None]).argmax(0)
        share = ways[best].T  # (S, K)
        rates = np.take_along_axis(gains, best[None], 0)[0]
        rates = np.maximum(rates, rates[self.shares > 0].max() / MOST_MORE)
        due = self.shares * rates if self.even else self.shares

        def of_level(level: float) -> Rows:
            return np.asarray(np.maximum(level * due - self.have, 0) / rates)

        def affordable(level: float) -> bool:
            tried = share * of_level(level)
            return bool((tried * self.rates).sum() <= accepted and (tried.sum(1) * self.seconds).sum() <= seconds)

        counts = np.maximum(np.rint(share * of_level(_highest(affordable))), 0).astype(int)
        return self._allocation(counts, accepted, parts)

    def _allocation(self, counts: np.ndarray, accepted: float, parts: int) -> Allocation:
        kept = dict(zip(self.mix, (counts * self.rates).sum(1).tolist(), strict=True))
        seconds = float((counts.sum(1) * self.seconds).sum()) + parts * self.setup
        bound = sum(kept.values()) < accepted - counts.size
        return Allocation(dict(zip(self.mix, counts.tolist(), strict=True)), kept, seconds, bound)


def _highest(affordable: Callable[[float], bool]) -> float:
    """The highest level that is affordable, to one part in 2^50; all below it are."""
    low, high = 0.0, 1.0
    while affordable(high):
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if affordable(middle) else (low, middle)
    return low
