"""Which classes a draft looks for: all evenly, those of the source, or the thin ones first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data.errors import WrongUse
from data.records import Batch
from pipelines.training.drafting import Balance

MOST_MORE = 10.0
"""A class that the checks refuse often is tried this many times as often as the easiest one, at most: where nothing
passes, more attempts would take what the other classes need."""


@dataclass(frozen=True)
class Quotas:
    """What a draft aims at, and how far it is; `note` changes the counts.

    Attributes:
        shares: float (K,), of each class among real (where they count) and kept samples together; sums to 1.
        counted: float (K,), real samples that count as kept; zeros unless thin classes are to be filled.
        tried, kept: float (K,), candidates so far.
    """

    shares: Tensor
    counted: Tensor
    tried: Tensor
    kept: Tensor

    def note(self, y: Tensor, accepted: Tensor) -> None:
        """Count candidates of labels int64 (N,), accepted where bool (N,) says so."""
        self.tried.add_(torch.bincount(y, minlength=len(self.tried)))
        self.kept.add_(torch.bincount(y[accepted], minlength=len(self.kept)))

    def labels(self, count: int, left: int, rng: torch.Generator) -> Tensor:
        """The labels of the next `count` of `left` candidates, int64 (count,), shuffled.

        More of a class are tried the more of it are missing and the more of it were refused so far.
        """
        rates = (self.kept + 1) / (self.tried + 1)
        rates = rates.clamp(min=rates[self.shares > 0].max().item() / MOST_MORE)
        wanted = poured(self.shares, self.counted + self.kept, rates, left)
        labels = torch.repeat_interleave(torch.arange(len(wanted)), rounded(wanted, count))
        return labels[torch.randperm(count, generator=rng)]


def quotas_of(
    real: Batch, names: Sequence[str], balance: Balance, shares: Mapping[str, float], parts: int
) -> Quotas | None:
    """What one of `parts` drafts aims at; None where all classes are tried evenly.

    Args:
        real: the training samples.
        names: label -> class name.
        balance: see `ShardOptions`; rules the classes that `shares` does not name.
        shares: class name or number -> share of the kept samples.

    Raises:
        WrongUse: there is no such class.
    """
    if balance == "even" and not shares:
        return None
    counts = torch.bincount(real.labels, minlength=len(names)).double()
    named = {_label_of(name, names): share for name, share in shares.items()}
    others = counts.clone() if balance == "source" else (counts > 0).double()
    others[list(named)] = 0
    if not others.sum() and not abs(sum(named.values()) - 1) < 1e-6:
        raise WrongUse(f"shards.quotas names every class, so its shares must sum to 1, got {dict(shares)}")
    aimed = others / others.sum().clamp(min=1) * (1 - sum(named.values()))
    for label, share in named.items():
        aimed[label] = share
    counted = counts / parts if balance == "fill" else torch.zeros_like(counts)
    return Quotas(aimed, counted, torch.zeros_like(counts), torch.zeros_like(counts))


def _label_of(name: str, names: Sequence[str]) -> int:
    if name in names:
        return list(names).index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    raise WrongUse(f"shards.quotas names class {name!r}: there are {', '.join(names)}")


def poured(shares: Tensor, have: Tensor, rates: Tensor, count: float) -> Tensor:
    """How many of `count` candidates go to each class, so that what is kept rises to one level: float (K,).

    Water finds its level: class c gets max(0, level * share - have) / rate, where the level is such that all is
    poured. A class that is above the level already gets nothing, nor does one whose share is 0.

    Args:
        shares, have, rates: float (K,): share of each class in the end, how many it has, how many of those tried
            are kept, above 0.
    """
    needs = (shares > 0).nonzero()[:, 0]
    order = needs[(have[needs] / shares[needs]).argsort(stable=True)]
    full = have[order] / shares[order]  # the level at which a class begins to need some
    slope, spent = (shares[order] / rates[order]).cumsum(0), (have[order] / rates[order]).cumsum(0)
    levels = (count + spent) / slope
    level = levels[(levels >= full).nonzero()[-1, 0]]
    return ((level * shares - have).clamp(min=0) / rates).where(shares > 0, torch.zeros_like(have))


def rounded(wanted: Tensor, count: int) -> Tensor:
    """Whole numbers in proportion to float (K,), summing to `count`, by largest remainder: int64 (K,)."""
    exact = wanted / wanted.sum() * count
    found = exact.floor().long()
    first = (found - exact).argsort(stable=True)[: count - int(found.sum())]
    found[first] += 1
    return found
