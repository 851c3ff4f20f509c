"""Takes real samples that nobody labelled, under the label that the judges give them."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.options import SearchOptions
from generators.search import Scene, propose

AT_ONCE = 256
"""Samples that the judges are asked about together."""


def unlabelled(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """A random unlabelled sample that the judges take for each label, int64 (N,), as it is.

    Pseudo-labels as in robust self-training, Carmon et al. 2019, arXiv:1905.13736; but it is the judges who give them,
    not the model under attack, so that a sample which it misreads comes under another label than its own. What the
    judges are not sure of, `agreement` refuses; what the model withstands, `robust_margin`. Within a
    call one comes again only where there are fewer of its label than are wanted; calls draw anew. Where there is none
    of a label, any stands in, for `agreement` to refuse.

    Raises:
        ValueError: there are no unlabelled samples, or no judges.
    """
    rows = torch.full_like(y, -1)
    order = torch.randperm(len(scene.unlabelled or ()), generator=rng)
    for some in torch.split(order, AT_ONCE):
        _fill(rows, y, some, scene.pseudo_labels_of(some))
        if (rows >= 0).all():
            break
    else:
        _fill_again(rows, y, order, rng)
    assert scene.unlabelled is not None
    images = scene.unlabelled.read(rows)
    parents = [(scene.unlabelled.keys[row],) for row in rows.tolist()]
    return propose(scene, "unlabelled", y, images=images, starts=images, parents=parents)


def _fill(rows: Tensor, y: Tensor, some: Tensor, seen: Tensor) -> None:
    """Put samples, int64 (M,), seen as labels, int64 (M,), where rows, int64 (N,), lack one of theirs."""
    for label in sorted(set(y[rows < 0].tolist())):
        wanted, found = ((y == label) & (rows < 0)).nonzero()[:, 0], some[seen == label]
        both = min(len(wanted), len(found))
        rows[wanted[:both]] = found[:both]


def _fill_again(rows: Tensor, y: Tensor, every: Tensor, rng: torch.Generator) -> None:
    """Put samples of their label that are in rows, int64 (N,), where it still lacks some; without any, any of all."""
    for label in sorted(set(y[rows < 0].tolist())):
        lacking, found = (y == label) & (rows < 0), rows[(y == label) & (rows >= 0)]
        found = found if len(found) else every
        rows[lacking] = found[torch.randint(len(found), (int(lacking.sum()),), generator=rng)]
