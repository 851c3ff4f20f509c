"""Do the judges see the intended label?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def agreement(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept where the label is the judges' first choice and their mean probability for it reaches `threshold`."""
    soft, y = evidence.soft_labels, candidates.batch.labels
    probability = soft.gather(1, y[:, None])[:, 0]
    return Verdict.of("agreement", (soft.argmax(1) == y) & (probability >= threshold), probability)
