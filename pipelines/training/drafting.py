"""What is asked of drafts and shards, and where drafts lie within the run; without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from data.plugins import must_be_one_of
from data.sources import SourceOptions
from generators.options import SearchOptions

SPLIT = "train"
DRAFTS = "drafts"
"""Folder of the drafts within the run; each set has its own below."""
THRESHOLDS = "thresholds"
"""The stage that chooses the thresholds that a recipe leaves open; there is none where it leaves none."""
PROBE = "probe"
"""The stage that tries a few candidates beforehand, and the folder of their draft."""

AUTO: Literal["auto"] = "auto"
Threshold = float | Literal["auto"]
"""What a check takes, or `auto`: chosen for `shards.label_error` on planted errors."""

Balance = Literal["even", "fill", "source"]


@dataclass(frozen=True)
class ShardOptions:
    """How many candidates are tried, and into how many shards those kept are dealt."""

    count: int = 8
    """Shards of the set, which differ by at most one sample; take a multiple of ranks x workers of the trainer."""
    parts: int = 8
    """Tasks among which the candidates are divided."""
    attempts: int = 3000
    """Candidates of each part."""
    balance: Balance = "even"
    """Classes: `even` tries all alike, and keeps what passes; `fill` makes real and kept samples together even, thin
    classes first; `source` keeps them in proportion to the real ones."""
    quotas: dict[str, float] = field(default_factory=dict)
    """Class, by name or number -> its share of what is kept (with `fill`: of real and kept together); `balance` rules
    the other classes."""
    url: str = ""
    """Where the set is put: a folder or a URL as s3://bucket/folder; empty for the run's own folder."""
    softness: float = 2.4
    """Temperature of the soft labels over the judges' own, which train no better, see docs/labels.md; 1 for theirs."""
    label_error: float = 0.005
    """Share of wrong labels among the kept that a threshold given as `auto` is chosen for, see docs/labels.md."""

    def __post_init__(self) -> None:
        for name in ("count", "parts", "attempts"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"shards.{name} must be >= 1, got {getattr(self, name)}")
        if not 0 < self.softness < float("inf"):
            raise ValueError(f"shards.softness must be > 0 and finite, got {self.softness}")
        if not 0 <= self.label_error < 1:
            raise ValueError(f"shards.label_error must lie in [0, 1[, got {self.label_error}")
        if any(not 0 <= share <= 1 for share in self.quotas.values()) or not sum(self.quotas.values()) < 1 + 1e-6:
            raise ValueError(f"shards.quotas must be shares >= 0 that sum to at most 1, got {dict(self.quotas)}")
        if self.url.startswith("memory:"):
            raise ValueError(f"shards.url must outlive the process, got {self.url}")


def default_checks() -> dict[str, Threshold]:
    """The checks and thresholds of the default recipe; each threshold means what its check says."""
    return {"robust_margin": 0.0, "agreement": AUTO, "realism": 0.02, "near_duplicate": 0.5}


@dataclass(frozen=True)
class DraftRequest:
    """All that a draft depends on, but for the networks in the run's folder."""

    run: Path
    set_name: str
    """Folder within the run."""
    number: int
    attempts: int
    seed: int
    folds: int
    source: SourceOptions
    search: SearchOptions
    checks: Mapping[str, float] = field(default_factory=dict)
    attacked: str = ""
    """The attacked model's file within the run; empty for the run's own model."""
    parts: int = 1
    """Drafts of the set."""
    balance: Balance = "even"
    quotas: Mapping[str, float] = field(default_factory=dict)
    softness: float = 1.0
    """Temperature of the soft labels."""
    allotted: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Search -> candidates of each class, where a budget says; then mix, balance and quotas have had their say."""


def preview_file(set_name: str, number: int) -> str:
    """Where a draft's pictures for the report lie, within the run."""
    return f"previews/{set_name}-{number:06d}.npz"


def known_plugins(search: SearchOptions, checks: Mapping[str, Threshold]) -> None:
    """Look every search, check and attack up before any work.

    Raises:
        WrongUse: one of them does not exist.
    """
    must_be_one_of("generators.attacks", search.attack)
    for name in search.mix:
        must_be_one_of("generators.search", name)
    for name in checks:
        must_be_one_of("generators.checks", name)


def chosen_of(facts: Mapping[str, object]) -> dict[str, float]:
    """Check -> threshold, from what `choose_thresholds` returned."""
    chosen = cast(Mapping[str, Mapping[str, float]], facts["chosen"])
    return {name: choice["threshold"] for name, choice in chosen.items()}
