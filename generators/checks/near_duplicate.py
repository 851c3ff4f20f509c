"""Is the sample a copy of a training image (memorised by the generator, or hardly moved by the search)?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def near_duplicate(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Refuse what is nearer to a training image than `threshold` times the spacing of held-out real samples.

    The spacing is the L2 distance to the nearest training image that 99 % of held-out real samples exceed. Real samples
    that are meant as they are pass.
    """
    accepted = (evidence.closeness >= threshold) | candidates.as_is
    return Verdict.of("near_duplicate", accepted, evidence.closeness)
