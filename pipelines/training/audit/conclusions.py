"""What an audit's figures come to: how bad it is, in a word, a headline and a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from generators.masking import Masking
from generators.options import Norm
from pipelines.training.audit.figures import (
    ClassFigures,
    Corruption,
    LatentFigures,
    Level,
    NormFigures,
    Share,
)

KEPT, LOST = 0.8, 0.6
"""Shares of clean accuracy: what keeps the first under attack holds, what keeps less than the second breaks."""
NAMES: Mapping[Norm, str] = {"linf": "L∞", "l2": "L2"}
"""Norms as people write them."""


@dataclass(frozen=True)
class Evidence:
    """What conclusions are drawn from."""

    class_names: Sequence[str]
    clean: Share
    norms: Sequence[NormFigures]
    """The first one is what conclusions are about."""
    corruptions: Sequence[Corruption]
    trust: Masking | None
    """As the checks left it; `masking` is what it comes to."""
    latent: LatentFigures | None
    brought: bool
    """The model was not trained here."""
    trained_at: float
    """L-inf radius of our own adversarial training."""
    unused: int
    """Samples of the part that were not attacked."""
    commands: Mapping[str, str]
    """Verb -> the user's own command, with every option, ready to be typed again."""

    @property
    def at(self) -> str:
        """Norm and radius: `L∞ 0.12`."""
        return f"{NAMES[self.norms[0].norm]} {self.norms[0].epsilon:.3g}"

    @property
    def suspicious(self) -> bool:
        """Whether something hides the model's errors from attacks."""
        return self.masking is not None and self.masking.verdict == "suspicious"

    @property
    def masking(self) -> Masking | None:
        """What the masking checks come to: of a model at chance nothing, whatever each of them saw."""
        return replace(self.trust, verdict="unknown") if self.trust and self.clueless else self.trust

    @property
    def clueless(self) -> bool:
        """Whether the model hardly beats chance on the samples as they are."""
        return self.clean.percent < 1.2 * 100 / len(self.class_names)


def level_of(evidence: Evidence) -> Level:
    """How bad it is."""
    main = evidence.norms[0]
    if evidence.clueless or evidence.suspicious:
        return "untrusted"
    kept = main.robust.percent / evidence.clean.percent
    if kept < LOST:
        return "breaks"
    return "holds" if kept >= KEPT and weakest(main) is None else "weak"


def weakest(norm: NormFigures) -> ClassFigures | None:
    """The class that breaks first, if there are samples enough to say that it does."""
    first = min(norm.classes, key=lambda row: (row.robust.percent, row.robust.high))
    return first if first.robust.of and first.robust.high < norm.robust.percent else None


def headline_of(evidence: Evidence) -> str:
    """The page's title."""
    level, first = level_of(evidence), weakest(evidence.norms[0])
    if level == "untrusted":
        return "It hardly knows these samples" if evidence.clueless else "Do not trust these figures"
    if level == "breaks":
        return f"In trouble: {evidence.at} breaks it"
    if level == "weak":
        return f"Weak spot: class {first.name} breaks first" if first else f"Holds in part at {evidence.at}"
    return f"Holds at {evidence.at}"


def sentence_of(evidence: Evidence) -> str:
    """The sentence that matters."""
    main, worst = evidence.norms[0], weakest(evidence.norms[0])
    robust = main.robust
    reach = "each pixel may change by" if main.norm == "linf" else "the image may change by L2"
    levels = f", {255 * main.epsilon:.0f} of 255 levels" if main.norm == "linf" else ""
    attacked = f"{robust.percent:.1f} % [{robust.low:.1f}, {robust.high:.1f}]"
    clean = f"It is right on {evidence.clean.percent:.1f} % of samples as they are"
    if evidence.clueless:
        return f"{clean}, hardly more than chance: no figure here tells what it withstands, or whether it hides errors."
    said = [f"{clean}, and on {attacked} when {reach} {main.epsilon:.3g}{levels}."]
    if worst:
        becomes = f", most often taken for {worst.becomes}" if worst.becomes else ""
        said.append(f"Class {worst.name} breaks first: {worst.robust.percent:.0f} %{becomes}.")
    if main.median is not None and evidence.clean.percent > 0:
        said.append(f"A change of {main.median:.2g} fools it on half of the samples that it has right.")
    if evidence.suspicious:
        said.append("But it seems to hide its errors from attacks: expect less than that.")
    return " ".join(said)
