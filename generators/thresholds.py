"""Chooses a check's threshold for a stated error rate, on candidates whose truth is known."""

from dataclasses import dataclass

import torch
from torch import Tensor

from data.records import Candidates
from generators.checks import Check, Evidence

TRIED = 200
"""Thresholds that are tried at most, evenly over the planted candidates."""


@dataclass(frozen=True)
class Choice:
    """A threshold, and what it does to planted candidates.

    Attributes:
        threshold: as the check takes it.
        error: wrong ones among those kept, in [0, 1], were they as frequent as was supposed.
        caught: share of the wrong ones refused, in [0, 1].
        kept: share of the right ones kept, in [0, 1].
        planted: how many there were to choose by.
    """

    threshold: float
    error: float
    caught: float
    kept: float
    planted: int


def choose(
    check: Check, candidates: Candidates, evidence: Evidence, right: Tensor, *, wrong: float, rate: float
) -> Choice | None:
    """The threshold that keeps most of the right ones while at most the share `rate` of those kept is wrong.

    Args:
        check: of any direction; it is asked with each threshold in turn.
        right: bool (N,), which of N candidates carry the right label.
        wrong: the share of candidates supposed to carry a wrong one, whatever theirs is here, in [0, 1].
        rate: in [0, 1].

    Returns:
        None where no threshold is that strict.
    """
    scores = next(iter(check(candidates, evidence, 0.0).scores.values())).double()
    places = torch.linspace(0, len(scores) - 1, min(TRIED, len(scores))).long()
    tried = []
    for threshold in sorted(set(scores.sort().values[places].tolist())):
        accepted = check(candidates, evidence, threshold).accepted
        kept, slipped = (_share(accepted[side]) for side in (right, ~right))
        error = wrong * slipped / max(1e-9, wrong * slipped + (1 - wrong) * kept)
        tried.append(Choice(threshold, error, 1 - slipped, kept, len(right)))
    return max((one for one in tried if one.kept and one.error <= rate), key=lambda one: one.kept, default=None)


def _share(flags: Tensor) -> float:
    return flags.float().mean().item() if len(flags) else 0.0
