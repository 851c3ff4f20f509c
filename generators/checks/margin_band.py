"""Is the sample hard: does it lie near the attacked model's decision boundary?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence
from generators.margins import outside_band


def margin_band(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept margins from -`threshold` to `threshold`, in logits."""
    accepted = ~outside_band(candidates.margins, threshold)
    return Verdict.of("margin_band", accepted, candidates.margins)
