"""Is even the judge who doubts most sure of the label?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def confidence(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept where no judge gives the label a lower probability than `threshold`."""
    y = candidates.batch.labels.expand(len(evidence.probabilities), -1)
    least = evidence.probabilities.gather(2, y[:, :, None])[:, :, 0].amin(0)
    return Verdict.of("confidence", least >= threshold, least)
