"""Candidates whose truth is known, a share of them under a wrong label: to measure label checks with.

Truth comes from real parents. Within the ball that adversarial training assumes harmless, a perturbed sample shows what
its parent shows; of two mixed samples it shows the one that has most of it, unless neither has. The wrong label is the
one a boundary makes likely: the class across it.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from data.records import Batch, Candidates
from generators.margins import Model, margins_of

CLEAR = 0.7
"""Share of one parent from which a mixture of two counts as showing that parent."""


@dataclass(frozen=True)
class Planted:
    """N candidates, and which of them carry the right label: bool (N,)."""

    candidates: Candidates
    right: Tensor

    def rows(self, chosen: Tensor) -> Self:
        """Those at `chosen`, int64 (M,)."""
        return type(self)(self.candidates.rows(chosen), self.right[chosen])


def plant(candidates: Candidates, real: Batch, model: Model, wrong: float, rng: torch.Generator) -> Planted:
    """Relabel candidates whose truth their parents tell: a share by the class across the boundary, the rest by truth.

    Args:
        candidates: of a search with one parent, moved by no more than changes nobody's mind, or of pixel mixtures of
            two; the others are left out, as are mixtures that show neither clearly.
        real: where the parents are.
        model: whose runner-up is the wrong label of a perturbed sample; margins are its own.
        wrong: share of wrong labels, in [0, 1].

    Returns:
        Those whose truth is known, with margins for their new labels.
    """
    truth, across = _told_by_parents(candidates, real, model)
    known = (truth >= 0).nonzero()[:, 0]
    made, truth, across = candidates.rows(known), truth[known], across[known]
    right = torch.rand(len(known), generator=rng) >= wrong
    x, y = made.batch.inputs["image"], torch.where(right, truth, across)
    with torch.no_grad():
        margins = margins_of(model(x), y)
    batch = Batch(made.batch.keys, made.batch.inputs, y)
    return Planted(replace(made, batch=batch, margins=margins), right)


@torch.no_grad()
def _told_by_parents(candidates: Candidates, real: Batch, model: Model) -> tuple[Tensor, Tensor]:
    """Truth, -1 where unknown, and the class across the boundary: both int64 (N,)."""
    rows = {key: place for place, key in enumerate(real.keys)}
    x, y = candidates.batch.inputs["image"], candidates.batch.labels
    truth, across = torch.full_like(y, -1), model(x).scatter(1, y[:, None], float("-inf")).argmax(1)
    for place, parents in enumerate(candidates.parents):
        labels = real.labels[[rows[parent] for parent in parents]]
        if len(parents) == 1:
            truth[place] = labels[0]
        if len(parents) == 2 and labels[0] != labels[1]:
            one, other = real.inputs["image"][[rows[parent] for parent in parents]].flatten(1)
            share = float((x[place].flatten() - one) @ (other - one) / (other - one).square().sum())
            if max(share, 1 - share) >= CLEAR:
                nearer = int(share > 0.5)
                truth[place], across[place] = labels[nearer], labels[1 - nearer]
    return truth, across
