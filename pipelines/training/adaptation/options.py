"""What a model is adapted to, by what, and what must be true of the samples that teach it."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from data.plugins import must_be_one_of
from data.sources import SourceOptions
from generators.options import CycleOptions, DistortionOptions, SearchOptions
from pipelines.training.drafting import known_plugins
from pipelines.training.fitting.options import FitOptions
from pipelines.training.models.descriptions import Numbers

Measured = Literal["test", "validation", "none"]
"""On which part of the target accuracy is measured, with its labels; none where it has no labels."""
Alike = Literal["pixels", "features", "both"]
"""Where target samples are near each other: in their pixels, in what the classifiers make of them, or either."""
MADE_WITHOUT_A_GAN = ("translate", "perturb", "adversarial", "warps", "shift", "mixup", "repeat")


def _translations() -> SearchOptions:
    return SearchOptions(mix={"translate": 1.0}, parents="translated")


def _checks() -> dict[str, float]:
    return {"agreement": 0.3, "back_agreement": 0.5, "cycle_error": 0.2, "realism": 0.02}


@dataclass(frozen=True)
class AdaptOptions:
    """How `hardshard adapt` takes a model from the recipe's source to a target domain; docs/adapt.md."""

    target: SourceOptions = field(default_factory=lambda: SourceOptions(labelled=0))
    """The domain to work in. Its labels are read for the report's accuracy alone."""
    measured: Measured = "test"
    """Part of the target that accuracy is measured on; none where the target has no labels."""
    rounds: int = 3
    """Of making samples of the target domain and training on them."""
    warm_up: int = 1
    """Of these so many with pseudo-labels alone, before a translation is learnt with the help of what they led to."""
    neighbours: int = 5
    """Pseudo-labels pass between a target sample and so many that are nearest to it."""
    spread: float = 0.99
    """Weight of what the neighbours say; 0 lets every sample's own label stand."""
    alike: Alike = "both"
    """What nearness is measured in: pixels, features, or both, whose answers are averaged."""
    sharpened: float = 8.0
    """Power that probabilities are raised to then, as passing them on makes them alike."""
    kept: Numbers = (0.4, 0.6, 0.8, 0.9)
    """Of each class's even share, how much of what is surest is kept in round 1, 2 and so on, the last one from there
    on. The surest of each class rather than all that are sure: whole kinds of a class are doubted, and what is left
    without them teaches that there are none (docs/adapt.md)."""
    sure: float = 0.8
    """Confidence from which confident self-training, which the rest is compared with, keeps what it labels."""
    members: int = 1
    """Classifiers of each round, which together give the next round's pseudo-labels."""
    cycle: CycleOptions = field(default_factory=CycleOptions)
    search: SearchOptions = field(default_factory=_translations)
    """What makes samples of the target domain from labelled ones; `perturb` may start from translations."""
    translated: int = 1000
    """Candidates of each round that come from labelled samples."""
    checks: dict[str, float] = field(default_factory=_checks)
    """Check -> its threshold, for what comes from labelled samples."""
    pseudo_checks: dict[str, float] = field(default_factory=dict)
    """Likewise for target samples with pseudo-labels, beside `kept`."""
    evened: float = 1.0
    """How far pseudo-labels are evened out over the classes: 0 not at all, 1 to equal shares."""
    soft: float = 0.3
    """Weight of the classifiers' opinion in soft labels; the rest is the label itself."""
    shards: int = 4
    """Of each round's set."""
    distortion: DistortionOptions = field(default_factory=DistortionOptions)
    """Strong augmentation of all that the classifiers are trained on."""
    architecture: str = "cnn"
    """Of the classifiers, a file of pipelines/training/models/architectures."""
    fit: FitOptions = field(default_factory=lambda: FitOptions(objective="plain", steps=300, synthetic_share=0.75))
    """Their trainer; `synthetic_share` is the part of each batch that a round's shards fill, the source the rest."""

    def __post_init__(self) -> None:
        for name in ("rounds", "members", "translated", "shards", "neighbours"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"adapt.{name} must be >= 1, got {getattr(self, name)}")
        if not 0 <= self.warm_up < self.rounds:
            raise ValueError(f"adapt.warm_up must be >= 0 and < adapt.rounds {self.rounds}, got {self.warm_up}")
        if not self.kept or not all(0 < share <= 1 for share in self.kept):
            raise ValueError(f"adapt.kept must be shares > 0 and <= 1, one a round, got {list(self.kept)}")
        for name in ("evened", "soft", "sure"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"adapt.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0 < self.sharpened < float("inf"):
            raise ValueError(f"adapt.sharpened must be > 0 and finite, got {self.sharpened}")
        if not 0 <= self.spread < 1:
            raise ValueError(f"adapt.spread must lie in [0, 1[, got {self.spread}")
        if self.fit.objective != "plain" or self.fit.watch.every:
            raise ValueError(
                "adapt.fit.objective must be plain and adapt.fit.watch.every 0: no label tells when to stop"
            )
        self._must_be_known()
        self._must_be_makeable()

    def kept_in(self, number: int) -> float:
        """Share of what is surest that a round keeps; rounds count from 1."""
        return self.kept[min(number, len(self.kept)) - 1]

    def _must_be_known(self) -> None:
        for name, known in {"measured": Measured, "alike": Alike}.items():
            if getattr(self, name) not in get_args(known):
                got = getattr(self, name)
                raise ValueError(f"adapt.{name} must be one of {', '.join(get_args(known))}, got {got}")
        must_be_one_of("pipelines.training.models.architectures", self.architecture)

    def _must_be_makeable(self) -> None:
        if self.target.unlabelled.name or self.target.unlabelled.path:
            raise ValueError("adapt.target has no labels itself: adapt.target.unlabelled is for no one")
        for options, name in ((self.checks, "checks"), (self.pseudo_checks, "pseudo_checks")):
            known_plugins(self.search, options)
            if name == "pseudo_checks" and "robust_margin" in options:
                raise ValueError("adapt.pseudo_checks cannot ask for robust_margin: pseudo-labelled samples are real")
        unknown = [name for name in self.search.mix if name not in MADE_WITHOUT_A_GAN and self.search.mix[name]]
        if unknown or self.search.parents not in ("real", "translated"):
            raise ValueError(
                f"adapt.search has no generator of latents: its mix may name {', '.join(MADE_WITHOUT_A_GAN)} and its "
                f"parents be real or translated, got {', '.join(self.search.mix)} and {self.search.parents}"
            )
