"""Does the discriminator take the sample for a real one?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def realism(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept what looks more realistic than the share `threshold`, in [0, 1], of held-out real samples."""
    return Verdict.of("realism", evidence.realism >= threshold, evidence.realism)
