"""Candidates whose truth is known, each under its right label and under a wrong one: to measure label checks with.

Truth comes from real parents. Within the ball that adversarial training assumes harmless, a perturbed sample shows what
its parent shows; of two mixed samples it shows the one that has most of it, unless neither has. The wrong label is the
one a boundary makes likely: the class across it.
"""

from dataclasses import dataclass, replace

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


def plant(candidates: Candidates, real: Batch, model: Model) -> Planted:
    """Candidates whose truth their parents tell, twice: first all under it, then all under the class across.

    Args:
        candidates: of a search with one parent, moved by no more than changes nobody's mind, or of pixel mixtures of
            two; the others are left out, as are mixtures that show neither clearly.
        real: where the parents are.
        model: whose runner-up is the class across from a perturbed sample; margins are its own.

    Returns:
        Those whose truth is known, with margins for their new labels.
    """
    truth, across = _told_by_parents(candidates, real, model)
    known = (truth >= 0).nonzero()[:, 0]
    made, y = candidates.rows(known.repeat(2)), torch.cat([truth[known], across[known]])
    with torch.no_grad():
        margins = margins_of(model(made.batch.inputs["image"]), y)
    right = torch.arange(2 * len(known)) < len(known)
    return Planted(replace(made, batch=Batch(made.batch.keys, made.batch.inputs, y), margins=margins), right)


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
