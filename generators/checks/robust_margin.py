"""Is the sample hard: is the attacked model's decision boundary within reach of an attack on it?"""

from data.records import Candidates, Verdict
from generators.checks import Evidence


def robust_margin(candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
    """Accept where the margin after an attack is at most `threshold` logits: at 0, where the model can be fooled.

    `margin_band` asks for the boundary at the sample itself, where the truth is often in doubt, too; this asks for it
    somewhere in the ball of `search.epsilon`, which a sample of no doubt may well have (docs/uplift.md). Real samples that
    are meant as they are pass: the attacked model was trained on them.

    Raises:
        ValueError: nobody pressed the candidates.
    """
    margins = evidence.robust_margins
    if len(margins) != len(candidates):
        raise ValueError(f"robust_margin needs a margin under attack for each of {len(candidates)} candidates")
    return Verdict.of("robust_margin", (margins <= threshold) | candidates.as_is, margins)
