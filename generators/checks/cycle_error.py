"""Did a translation keep what the way back needs?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence, asked


def cycle_error(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept where the mean absolute difference after the way to the other domain and back is at most `threshold`.

    Raises:
        ValueError: nobody sent the candidates on that way.
    """
    errors = asked("cycle_error", candidates, evidence.cycle_errors)
    return Verdict.of("cycle_error", errors <= threshold, errors)
