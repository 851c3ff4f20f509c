"""Do those who know the other domain see the label in the sample once it is translated back?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence, asked, joint_opinion


def back_agreement(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """As `agreement`, of the labelled domain's judges on the sample as that domain would have it.

    They never judge what they did not learn: the translation comes to them.

    Raises:
        ValueError: nobody translated the candidates back.
    """
    seen = joint_opinion(evidence.back_probabilities) if len(evidence.back_probabilities) else evidence.cycle_errors
    agreed, y = asked("back_agreement", candidates, seen), candidates.batch.labels
    probability = agreed.gather(1, y[:, None])[:, 0]
    return Verdict.of("back_agreement", (agreed.argmax(1) == y) & (probability >= threshold), probability)
