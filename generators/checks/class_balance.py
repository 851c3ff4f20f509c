"""Is the sample one too many of its class?"""

from math import ceil

import torch

from data.records import Candidates, Verdict
from generators.checks import Evidence


def class_balance(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept of each label at most `threshold` times its even share of the candidates that come together.

    The judges' surest stay. Pseudo-labels need it: a class that takes more than its share takes more each round.
    """
    y, classes = candidates.batch.labels, evidence.probabilities.shape[2]
    most = ceil(threshold * len(y) / classes)
    sure = evidence.consensus.gather(1, y[:, None])[:, 0]
    ranks = torch.zeros(len(y))
    for label in sorted(set(y.tolist())):
        own = (y == label).nonzero()[:, 0]
        ranks[own[sure[own].argsort(descending=True, stable=True)]] = torch.arange(len(own)).float()
    return Verdict.of("class_balance", ranks < most, ranks)
