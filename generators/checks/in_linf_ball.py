"""Does a perturbed sample lie in the ball around its parent that it claims to lie in?"""

from data.records import Candidates, Verdict
from generators.balls import lengths
from generators.checks import Evidence, within


def in_linf_ball(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Refuse a candidate of one parent that has a pixel more than `threshold` from where it started.

    A candidate of no parent or of several makes no such claim and passes. Stored pixels are rounded, which is allowed
    for: half a level, 1 / 510.
    """
    moved = lengths(candidates.batch.inputs["image"] - candidates.starts["image"], "linf")
    return within("in_linf_ball", candidates, moved, threshold + 0.5 / 255)
