"""The exact test of pairs: of the samples on which two attacks, or two models, differ, are there too many one way?"""

from math import comb


def chance_of(wins: int, losses: int) -> float:
    """Probability that a fair coin thrown `wins + losses` times gives `wins` or more.

    The one-sided exact test of McNemar 1947 on the pairs that differ; 1 where none does.
    """
    thrown = wins + losses
    chance: float = sum(comb(thrown, k) for k in range(wins, thrown + 1)) / 2**thrown
    return chance
