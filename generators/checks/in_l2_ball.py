"""Does a perturbed sample lie in the L2 ball around its parent that it claims to lie in?"""

from math import sqrt

from data.records import Candidates, Verdict
from generators.balls import lengths
from generators.checks import Evidence, within


def in_l2_ball(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Refuse a candidate of one parent that lies further than `threshold` from where it started.

    A candidate of no parent or of several makes no such claim and passes. Stored pixels are rounded, which is allowed
    for: half a level, 1 / 510, in every value.
    """
    x = candidates.batch.inputs["image"]
    moved = lengths(x - candidates.starts["image"], "l2")
    return within("in_l2_ball", candidates, moved, threshold + 0.5 / 255 * sqrt(x[0].numel()))
