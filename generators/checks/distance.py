"""Is the sample still near anything real?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def distance(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Refuse what is further from every training image than `threshold` times the spacing of held-out real samples.

    The spacing is that of `near_duplicate`: the L2 distance to the nearest training image that 99 % of held-out real
    samples exceed.
    """
    return Verdict.of("distance", evidence.closeness <= threshold, evidence.closeness)
