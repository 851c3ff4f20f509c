"""How events are made up; without torch."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from generators.options import SearchOptions, Sides
from generators.paired_options import PairGanOptions, SyncOptions

PAIRED, CROSS, WALK, SYNCHRONISED = "paired_latent", "cross_modal_", "latent_walk_", "synchronised"
"""Ways: all from one latent; one modality, whose name follows, from the other; the same, where a model of both finds it
hard; both transformed by one draw."""
Head = Literal["alone", "joint"]


@dataclass(frozen=True)
class WalkOptions:
    """How latent walks search."""

    head: Head = "alone"
    """Whose boundary they walk to: that of the model's own head of the modality that is made, or of its joint head,
    which hears the partner too; there a made part must speak for another class to outvote it."""
    steps: int = 40
    """Gradient steps at most."""
    step_size: float = 0.2
    """The longest step, as a share of the latent's own length."""
    restarts: int = 3
    """Latents that are tried for an event before it is given up."""
    band: float = 1.0
    """Margins looked for, and asked for: from -band to band, in logits."""
    sides: Sides = "both"
    """Which half of the band is aimed at: both, right (the head still gives the label), wrong (it errs)."""

    def __post_init__(self) -> None:
        if self.head not in get_args(Head):
            raise ValueError(f"walk.head must be alone or joint, got {self.head}")
        self.as_search()

    def as_search(self) -> SearchOptions:
        """The same as a search among latents takes it."""
        return SearchOptions(
            steps=self.steps, step_size=self.step_size, restarts=self.restarts, band=self.band, sides=self.sides
        )


@dataclass(frozen=True)
class SynthesisOptions:
    """What `hardshard synthesise` makes, and what of it is kept."""

    ways: dict[str, int] = field(default_factory=dict)
    """Way -> candidates: paired_latent, cross_modal_<modality that is made>, latent_walk_<likewise>, synchronised."""
    gan: PairGanOptions = field(default_factory=PairGanOptions)
    walk: WalkOptions = field(default_factory=WalkOptions)
    sync: SyncOptions = field(default_factory=SyncOptions)
    agreed: float = 0.5
    """What the judges of each modality must give the intended label, for a candidate to be kept; 0 keeps all."""
    agreed_near: float = 0.9
    """What they must give it of a part that a latent walk made, which lies where classes meet."""
    apart: float = 0.5
    """How near a training member a made part may come, as a share of the distance that 99 % of held-out ones exceed."""
    shards: int = 4
    """Of the set."""
    measured: int = 2000
    """Candidates that are made anew for the figures before filtering, of pairs; and held-out partners at most."""

    def __post_init__(self) -> None:
        for way, count in self.ways.items():
            if way not in (PAIRED, SYNCHRONISED) and not way.startswith((CROSS, WALK)):
                raise ValueError(
                    f"synthesis.ways takes {PAIRED}, {CROSS}<modality>, {WALK}<modality> and {SYNCHRONISED}, with a "
                    f"number, got {way}"
                )
            if not count >= 0:
                raise ValueError(f"synthesis.ways.{way} must be >= 0, got {count}")
        for name in ("shards", "measured"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"synthesis.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("agreed", "agreed_near"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"synthesis.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.apart < float("inf"):
            raise ValueError(f"synthesis.apart must be >= 0 and finite, got {self.apart}")

    @property
    def asked(self) -> tuple[str, ...]:
        """The ways that are gone, in the order of their names."""
        return tuple(sorted(way for way, count in self.ways.items() if count))

    @property
    def generated(self) -> tuple[str, ...]:
        """Those whose generators are needed; a latent walk uses the one that makes its modality from the other."""
        return tuple(sorted({generator_of(way) for way in self.asked if way != SYNCHRONISED}))

    def agreed_on(self, way: str) -> float:
        """What the judges must give the intended label of a part that is made on a way."""
        return self.agreed_near if way.startswith(WALK) else self.agreed

    @property
    def walked(self) -> bool:
        """Whether there is a model to attack."""
        return any(way.startswith(WALK) for way in self.asked)


def generator_of(way: str) -> str:
    """The way whose generator it uses."""
    return CROSS + way.removeprefix(WALK) if way.startswith(WALK) else way


def made_by_way(way: str, modalities: tuple[str, ...]) -> tuple[str, ...]:
    """The modalities that a generator makes on this way."""
    if way == PAIRED:
        return modalities
    return (generator_of(way).removeprefix(CROSS),) if way != SYNCHRONISED else ()


def given_by_way(way: str, modalities: tuple[str, ...]) -> str:
    """The modality that conditions the generator; none where the class does."""
    made = made_by_way(way, modalities)
    if len(made) != 1:
        return ""
    (given,) = (name for name in modalities if name not in made)
    return given
