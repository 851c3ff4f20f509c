"""What training takes of the shards, and the grid of mixes that `hardshard uplift` chooses from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, cast, get_args

from data.labels import Labels
from pipelines.training.models.descriptions import Names, Numbers


@dataclass(frozen=True)
class MixOptions:
    """What training takes of the run's own shards, besides `training.synthetic_share`; controls are taken whole."""

    band: float = 0.0
    """Samples whose margin is farther than this from 0 are left out, in logits; 0 takes all."""
    labels: Labels = "soft"
    """The judges' probabilities, or `one_hot`: the intended class alone."""

    def __post_init__(self) -> None:
        if not 0 <= self.band < float("inf"):
            raise ValueError(f"mixing.band must be >= 0 and finite, got {self.band}")


@dataclass(frozen=True)
class Mix:
    """One point of the grid; fields as in `MixOptions` and `training.synthetic_share`."""

    share: float
    band: float
    labels: Labels

    @property
    def name(self) -> str:
        """As files and tasks carry it: `0.7-0.5-soft`, `0.7-all-soft`."""
        return f"{self.share:g}-{f'{self.band:g}' if self.band else 'all'}-{self.labels}"

    @property
    def said(self) -> str:
        """In words, for reports."""
        margins = f"margins within {self.band:g}" if self.band else "all margins"
        labels = "soft labels" if self.labels == "soft" else "one-hot labels"
        return f"{self.share:g} of each batch synthetic, {margins}, {labels}"


@dataclass(frozen=True)
class UpliftOptions:
    """How `hardshard uplift` looks for the best mix, on the validation part; every combination is tried."""

    shares: Numbers = (0.5, 0.7)
    """Synthetic part of each batch."""
    bands: Numbers = (0.5, 0.0)
    """Margins, see `mixing.band`."""
    labels: Names = ("soft", "one_hot")
    """See `mixing.labels`."""
    seeds: int = 1
    """Trainings of each mix."""
    attacks: Literal["standard", "fast"] = "fast"
    """As in `evaluation.attacks`; radius and norm are the evaluation's."""
    samples: int = 400
    """Validation samples at most."""

    def __post_init__(self) -> None:
        for name in ("seeds", "samples"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"uplift.{name} must be >= 1, got {getattr(self, name)}")
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ValueError(f"uplift.shares must lie in ]0, 1], got {list(self.shares)}")
        if not self.bands or not all(0 <= band < float("inf") for band in self.bands):
            raise ValueError(f"uplift.bands must be >= 0 and finite, got {list(self.bands)}")
        if not self.labels or set(self.labels) - set(get_args(Labels)):
            raise ValueError(f"uplift.labels must name some of {', '.join(get_args(Labels))}, got {list(self.labels)}")

    @property
    def grid(self) -> Sequence[Mix]:
        """Every mix to try, each once, in the order of the options."""
        points = product(self.shares, self.bands, cast(Sequence[Labels], self.labels))
        return list(dict.fromkeys(Mix(*point) for point in points))
