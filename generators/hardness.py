"""How hard real samples are, by models that did not train on them.

A model is sure of what it has trained on, wrong labels included; so each sample is judged by the judge whose fold it
is, and by the soft nearest neighbours (generators/neighbours.py) of the other folds' samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from data.records import Batch
from generators.margins import Model, margins_of
from generators.neighbours import soft_neighbours
from generators.options import Hardness

SHARPENED = 4.0
"""Factor on the neighbours' logits: with it they are about as sure as a judge, and do not disagree by that alone."""


@torch.no_grad()
def unseen_probabilities(real: Batch, judges: Sequence[Model]) -> Tensor:
    """What those say of each sample that did not train on it: float (2, N, K), the fold's judge, then the neighbours.

    Args:
        real: the samples, in the order in which they were divided; sample i belongs to fold i modulo their number.
        judges: of each fold the one that left it out.

    Raises:
        ValueError: there is no judge.
    """
    if not judges:
        raise ValueError("mining needs judges that left samples out, and the scene has none")
    x, y = real.inputs["image"], real.labels
    folds = torch.arange(len(real)) % len(judges)
    logits = [judge(x[folds == fold]) for fold, judge in enumerate(judges)]
    classes = logits[0].shape[1]
    found = torch.empty(2, len(real), classes)
    for fold, judged in enumerate(logits):
        mine = folds == fold
        neighbours = soft_neighbours(x[~mine], y[~mine], classes)
        found[0, mine], found[1, mine] = judged.softmax(1), (SHARPENED * neighbours(x[mine])).softmax(1)
    return found


def hardness(probabilities: Tensor, y: Tensor, by: Hardness) -> Tensor:
    """How hard each sample is, float (N,) in [0, 1]: the share of samples that are easier.

    By `margin`, how far the label's mean probability is below the best other one's: wrong labels first. By `entropy`
    of the mean: ambiguous samples first. By `disagreement`, the Jensen-Shannon divergence of the models. By `any`,
    the highest of the three shares.

    Args:
        probabilities: float (M, N, K), of M models that did not train on the samples.
        y: labels, int64 (N,).
    """
    mean = probabilities.mean(0)
    uncertain = _entropy(mean)
    scores = {
        "margin": -margins_of(mean, y),
        "entropy": uncertain,
        "disagreement": uncertain - _entropy(probabilities).mean(0),
    }
    chosen = scores.values() if by == "any" else [scores[by]]
    return torch.stack([_shares(score) for score in chosen]).amax(0)


def _entropy(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp_min(1e-12).log()).sum(-1)


def _shares(score: Tensor) -> Tensor:
    return score.argsort().argsort() / max(1, len(score) - 1)
