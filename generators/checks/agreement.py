"""Do the judges see the intended label?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def agreement(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept where the label is the judges' first choice and the geometric mean of their probabilities is enough.

    Over the labels this mean sums to 1; it is to reach `threshold`.
    """
    agreed, y = evidence.consensus, candidates.batch.labels
    probability = agreed.gather(1, y[:, None])[:, 0]
    return Verdict.of("agreement", (agreed.argmax(1) == y) & (probability >= threshold), probability)
