"""How many rounds, how much each makes and trains, and what is remembered."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from generators.options import Ball, SearchOptions
from pipelines.training.drafting import known_plugins
from pipelines.training.fitting.options import FitOptions

Keep = Literal["last", "best"]
"""Which round's model is the outcome."""


def _found_best() -> SearchOptions:
    return SearchOptions(mix={"adversarial": 1.0}, steps=3, epsilon=0.24)


@dataclass(frozen=True)
class RoundsOptions:
    """Rounds of attacking the newest model and training on what was found; docs/rounds.md says what to expect."""

    count: int = 0
    """Rounds at most; 0 for none. One alone makes a plain trainer worse: docs/rounds.md."""
    candidates: int = 600
    """Of each round."""
    steps: int = 25
    """Training steps of each round, and of the plain training before the first."""
    search: SearchOptions = field(default_factory=_found_best)
    """What candidates are made by; the radius is twice the one to withstand."""
    checks: dict[str, float] = field(default_factory=dict)
    """Check -> its threshold; see docs/rounds.md before naming any."""
    newest: float = 0.5
    """Share of each batch from the newest round's shard; the rest comes from the archive."""
    archive: int = 5
    """Older shards kept at most, those that still fool the newest model most often."""
    stale_below: float = 0.1
    """An older shard that fools the newest model less than this share of the time that the newest shard does, goes."""
    soft: float = 0.5
    """Weight of the judges' soft labels; the rest is the label that the attack was to keep."""
    patience: int = 10
    """Rounds in a row without a lower attack success than ever before, after which no more are made; 0 for never."""
    gain: float = 0.002
    """How much lower counts."""
    keep: Keep = "last"
    """The model that is measured in the end: the last round's, or the best, the one that the shard made against it
    fooled least, which no held-out sample has a say in."""
    fit: FitOptions = field(default_factory=lambda: FitOptions(objective="plain"))
    """The trainer, at its constant `learning_rate`; `steps` and `ball` are of no matter here."""

    def __post_init__(self) -> None:
        for name, least in (("count", 0), ("candidates", 1), ("steps", 1), ("archive", 0), ("patience", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"rounds.{name} must be >= {least}, got {getattr(self, name)}")
        for name in ("newest", "stale_below", "soft", "gain"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"rounds.{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.keep not in get_args(Keep):
            raise ValueError(f"rounds.keep must be last or best, got {self.keep}")
        if self.fit.objective != "plain":  # the comparison is with a trainer that attacks in its loop
            raise ValueError(f"rounds.fit.objective must be plain, got {self.fit.objective}")
        if self.fit.watch.every:
            raise ValueError(f"rounds stop by patience: rounds.fit.watch.every must be 0, got {self.fit.watch.every}")
        if self.fit.devices != 1:
            raise ValueError(f"rounds train on one device: rounds.fit.devices must be 1, got {self.fit.devices}")
        known_plugins(self.search, self.checks)

    def plain(self, steps: int) -> FitOptions:
        """The trainer to compare with: the same, on real samples alone."""
        return replace(self.fit, steps=steps)

    def in_loop(self, steps: int) -> FitOptions:
        """The other trainer to compare with: PGD-7 in its loop, in the ball that the search goes through."""
        ball = Ball(self.search.epsilon, self.search.norm, steps=7, step_size=2.5 * self.search.epsilon / 7)
        return replace(self.fit, steps=steps, objective="madry", ball=ball)
