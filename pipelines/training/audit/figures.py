"""What audit.json holds: every figure that the page shows. Accuracies are in percent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from generators.masking import Masking
from generators.options import Norm
from pipelines.training.evaluation.statistics import Flags, accuracy

Level = Literal["holds", "weak", "breaks", "untrusted"]
"""What the whole audit comes to; see `advice.level_of`."""
Kind = Literal["nearest", "typical"]
"""Of a class's changes: the smallest of all, or the median one."""
Space = Literal["linf", "l2", "latent"]
"""Where a change was looked for: in a norm's ball of pixels, or among a generator's samples."""


@dataclass(frozen=True)
class Share:
    """`count` of `of` samples, and the 95 % interval of the share."""

    count: int
    of: int
    percent: float
    low: float
    high: float

    @classmethod
    def of_flags(cls, flags: Flags) -> Self:
        """The share of bool (N,) that is true; of no sample, anything from 0 to 100."""
        if not flags.size:
            return cls(0, 0, 0.0, 0.0, 100.0)
        found = accuracy(flags)
        return cls(int(flags.sum()), flags.size, *(round(value, 3) for value in vars(found).values()))


@dataclass(frozen=True)
class Subject:
    """What was audited, and on which samples."""

    recipe: str
    seed: int
    model: str
    """Where it came from."""
    digest: str
    """SHA-256 of what was attacked, in hex."""
    source: str
    part: str
    samples: int
    class_names: Sequence[str]
    shape: Sequence[int]
    """Of one image, (C, H, W)."""


@dataclass(frozen=True)
class Curve:
    """Percent of samples still right at each epsilon, under one attack or under all of them."""

    attack: str
    epsilons: Sequence[float]
    robust: Sequence[float]
    low: Sequence[float] = ()
    """Of the 95 % interval; for the worst case alone."""
    high: Sequence[float] = ()


@dataclass(frozen=True)
class AttackFigures:
    """One attack on its own."""

    attack: str
    kind: Literal["nearest", "fixed", "survivors"]
    """Looks for the nearest error; uses balls of fixed radius up; or saw only what all others had left standing."""
    robust: Share
    """Right at the norm's epsilon, of all samples; after this attack and all before it, of kind `survivors`."""
    first: int
    """Samples of which it found the smallest change of all; of kind `survivors`, samples that it broke at epsilon."""
    seconds: float | None
    """One core's work; None for kind `survivors`, whose attacks are one stage."""


@dataclass(frozen=True)
class ClassFigures:
    """One class, under the worst of all attacks."""

    name: str
    clean: Share
    robust: Share
    median: float | None
    """Of the smallest changes that fool the model, over samples it has right; None where most resist all attacks."""
    becomes: str
    """What its broken samples are most often taken for, or the empty string."""


@dataclass(frozen=True)
class NormFigures:
    """All that was found in one norm."""

    norm: Norm
    epsilon: float
    """The radius that the figures are about."""
    robust: Share
    median: float | None
    """As of a class."""
    worst: Curve
    curves: Sequence[Curve]
    attacks: Sequence[AttackFigures]
    classes: Sequence[ClassFigures]
    confusion: Sequence[Sequence[int]]
    """Row: label. Column: what the model says of the worst x_adv within epsilon, or of x where none breaks it."""


@dataclass(frozen=True)
class Break:
    """The smallest change found that fools the model on one sample."""

    key: str
    kind: Kind
    label: int
    says: int
    space: Space
    length: float
    """In its norm; of a generator's sample, how far the search moved it, L2."""
    attack: str


@dataclass(frozen=True)
class Corruption:
    """A common corruption: the accuracy at severities 1 to 5."""

    name: str
    accuracy: Sequence[float]


@dataclass(frozen=True)
class LatentFigures:
    """What a generator's samples do to the model. Labels are what the generator was asked for: nobody checked them."""

    generator: str
    candidates: int
    near: Share
    """Within `band` of the boundary after the search."""
    band: float
    errs: Share
    """Given another class than intended, after the search."""
    errs_before: Share
    """Likewise at the random starts, where a wrong label of the generator looks the same as an error of the model."""
    by_class: Mapping[str, float]
    """Class asked for -> percent of its samples that the model gives another class."""


@dataclass(frozen=True)
class Advice:
    """What to do next: one line, why, and the command that does it, or the empty string."""

    title: str
    why: str
    command: str = ""


@dataclass(frozen=True)
class Audit:
    """All of it."""

    subject: Subject
    level: Level
    headline: str
    sentence: str
    advice: Sequence[Advice]
    clean: Share
    norms: Sequence[NormFigures]
    breaks: Sequence[Break]
    corruptions: Sequence[Corruption]
    trust: Masking | None
    """Whether the robust accuracy is to be believed (of a model at chance nobody knows); None where nobody looked."""
    latent: LatentFigures | None
    seconds: Mapping[str, float]
    """Stage -> work, seconds of one core."""
