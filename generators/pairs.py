"""Exact binomial tests: of the samples on which two attacks, or two models, differ, are there too many one way?"""

from fractions import Fraction
from math import comb


def chance_of(wins: int, losses: int, share: Fraction = Fraction(1, 2)) -> float:
    """Probability of `wins` or more of `wins + losses` throws of a coin that wins with `share`.

    With a fair coin it is the one-sided exact test of McNemar 1947 on the pairs that differ; 1 where none does.
    """
    thrown, top, whole = wins + losses, share.numerator, share.denominator
    ways = sum(comb(thrown, k) * top**k * (whole - top) ** (thrown - k) for k in range(wins, thrown + 1))
    chance: float = ways / whole**thrown
    return chance
