"""The loss of a classifier of events: its own cross-entropy, and what dropout, heads, consistency and gate add to it.

Modality dropout: ModDrop, Neverova et al. 2016, arXiv:1501.00102. Odd-one-out: Yang et al. 2021, arXiv:2206.12714.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.training.events.options import EventOptions
from pipelines.training.models.fusion import Fusion, Inputs

GATE = 0.5
"""Weight of the gate's cross-entropy."""


@dataclass(frozen=True)
class Told:
    """What is told of N events.

    Attributes:
        labels: int64 (N,).
        soft: float (N, K), or None where there are hard labels alone.
        touched: int64 (N,): 0 where no modality was moved, else 1 + its place among the classifier's modalities.
    """

    labels: Tensor
    soft: Tensor | None
    touched: Tensor

    def rows(self, chosen: Tensor) -> "Told":
        """Of the events at these rows, int64 (M,)."""
        soft = None if self.soft is None else self.soft[chosen]
        return Told(self.labels[chosen], soft, self.touched[chosen])

    def and_then(self, other: "Told") -> "Told":
        """Of these events, then of those, which have soft labels if these have."""
        soft = None if self.soft is None or other.soft is None else torch.cat([self.soft, other.soft])
        labels = torch.cat([self.labels, other.labels])
        return Told(labels, soft, torch.cat([self.touched, other.touched]))

    def weighed(self, weight: float) -> "Told":
        """The same with soft labels of that weight, the rest being the hard ones; none at weight 0."""
        if self.soft is None or not weight:
            return replace(self, soft=None)
        return replace(self, soft=torch.lerp(F.one_hot(self.labels, self.soft.shape[1]).float(), self.soft, weight))

    @property
    def wanted(self) -> Tensor:
        """What cross-entropy takes: int64 (N,) or float (N, K)."""
        return self.labels if self.soft is None else self.soft


def loss_of(model: Fusion, x: Inputs, told: Told, options: EventOptions, rng: torch.Generator) -> Tensor:
    """The loss, float (), of a batch of N events, modality -> x (N, ...)."""
    names = list(model.shape.forms)
    hidden = hidden_of(names, len(told.labels), options.dropout, rng) if len(names) > 1 else None
    said = model.opinions(x, hidden)
    loss = F.cross_entropy(said.joint, told.wanted)
    if len(names) == 1:
        return loss
    if options.heads:
        loss = loss + options.heads * sum(F.cross_entropy(alone, told.wanted) for alone in said.alone.values())
    if options.consistency:
        loss = loss + options.consistency * divergence(*said.alone.values()).mean()
    if said.gate is not None:
        loss = loss + GATE * F.cross_entropy(said.gate, told.touched)
    return loss


def hidden_of(names: list[str], count: int, dropout: float, rng: torch.Generator) -> dict[str, Tensor] | None:
    """Modality -> bool (count,): where it is hidden; never two of one event, each as often as any other."""
    if not dropout:
        return None
    drawn = torch.rand(count, generator=rng) * len(names) / dropout
    return {name: (drawn >= at) & (drawn < at + 1) for at, name in enumerate(names)}


def divergence(*logits: Tensor) -> Tensor:
    """Mean symmetric Kullback-Leibler divergence, in nats, of pairs of predictions, each float (N, K): float (N,)."""
    logs = [one.log_softmax(1) for one in logits]
    pairs = [(a, b) for at, a in enumerate(logs) for b in logs[at + 1 :]]
    return torch.stack([((a.exp() - b.exp()) * (a - b)).sum(1) for a, b in pairs]).mean(0)
