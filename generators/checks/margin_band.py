"""Is the sample hard: does it lie near the attacked model's decision boundary?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence
from generators.margins import outside_band


def margin_band(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept margins from -`threshold` to `threshold`, in logits, and real samples that are meant as they are."""
    accepted = ~outside_band(candidates.margins, threshold) | candidates.as_is
    return Verdict.of("margin_band", accepted, candidates.margins)
