"""Events that nobody recorded: both parts from one latent, one part from the other, or both transformed by one draw.

Proposes them, and hears the judges of every modality about them. Which part is new is known by its start: that of a
part made from nothing is black, silent or padding; that of a part made for a real one is what had been its partner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import and_

import torch
from torch import Tensor

from data.forms import Form
from data.modalities import modality
from data.records import Batch, Candidates, Verdict
from generators.checks import joint_opinion
from generators.crossmodal import Bench
from generators.margins import margins_of
from generators.paired_networks import PairGenerator
from generators.paired_options import SyncOptions
from generators.synchronised import draw, synchronised


@dataclass(frozen=True)
class Made:
    """N events as they were made.

    Attributes:
        x, starts: modality -> x (N, ...), after and before.
        labels: int64 (N,), the intended ones.
        members: modality -> N keys of the real members that are its parts, transformed or not; nothing of a modality
            that a generator made.
        told: name -> float (N,): how it was made.
        margins: of what was made against a model, its margins at the starts and at the ends, each float (N,).
    """

    x: Mapping[str, Tensor]
    starts: Mapping[str, Tensor]
    labels: Tensor
    members: Mapping[str, Sequence[str]]
    told: Mapping[str, Tensor] = field(default_factory=dict)
    margins: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Real:
    """Real events, and the keys of their members: modality -> N keys."""

    events: Batch
    members: Mapping[str, Sequence[str]]

    def rows(self, chosen: Tensor) -> "Real":
        """The events at these rows, int64 (M,)."""
        members = {name: [keys[row] for row in chosen.tolist()] for name, keys in self.members.items()}
        return Real(self.events.rows(chosen), members)


@torch.no_grad()
def from_latents(generator: PairGenerator, y: Tensor, classes: int, rng: torch.Generator) -> Made:
    """Every modality of each event from one latent and its class, labels int64 (N,)."""
    z = torch.randn(len(y), generator.shape.latent, generator=rng)
    x = _kept(generator(z, torch.nn.functional.one_hot(y, classes).float()))
    return Made(x, {name: torch.zeros_like(value) for name, value in x.items()}, y, {})


@torch.no_grad()
def from_partners(generator: PairGenerator, real: Real, conditions: Tensor, rng: torch.Generator) -> Made:
    """What the generator makes anew of real events, from the conditions, float (N, C), that their other part gives."""
    z = torch.randn(len(conditions), generator.shape.latent, generator=rng)
    x = {**real.events.inputs, **_kept(generator(z, conditions))}
    members = {name: keys for name, keys in real.members.items() if name not in generator.shape.forms}
    return Made(x, real.events.inputs, real.events.labels, members)


def from_draws(real: Real, options: SyncOptions, rng: torch.Generator) -> Made:
    """Real events transformed in all modalities by one draw each, which is told."""
    drawn = draw(real.events.inputs, options, rng)
    x = _kept(synchronised(real.events.inputs, drawn, options))
    return Made(x, real.events.inputs, real.events.labels, real.members, drawn.told())


def _kept(x: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As a reader of the shard will see it."""
    return {name: modality(name).stored(value) for name, value in x.items()}


@dataclass(frozen=True)
class Jury:
    """Those who are asked about what was made.

    Attributes:
        benches: modality -> its judges.
        known, held_out: modality -> x of its training members, and of members that trained nobody here.
        forms: modality -> its form.
    """

    benches: Mapping[str, Bench]
    known: Mapping[str, Tensor]
    held_out: Mapping[str, Tensor]
    forms: Mapping[str, Form]

    def hear(self, made: Made) -> dict[str, Tensor]:
        """Modality -> probabilities, float (N, K): of its real members the judge who has not seen them, else all."""
        return {name: self._heard(name, bench, made) for name, bench in self.benches.items()}

    def _heard(self, name: str, bench: Bench, made: Made) -> Tensor:
        if name in made.members:
            return bench.hear(made.x[name], made.members[name])
        with torch.no_grad():
            return joint_opinion(torch.stack([judge(made.x[name]).softmax(1) for judge in bench.judges]))

    def closeness(self, name: str, x: Tensor) -> Tensor:
        """Distance of x (N, ...) to the nearest training member, float (N,).

        1 is the distance that 99 % of held-out members exceed; of features it is taken in their units.
        """
        if name not in self._scales:
            self._scales[name] = self._nearest(name, self.held_out[name]).quantile(0.01).clamp_min(1e-9)
        return self._nearest(name, x) / self._scales[name]

    def _nearest(self, name: str, x: Tensor) -> Tensor:
        unit = torch.tensor(self.forms[name].unit or 1.0)
        return torch.cdist((x / unit).flatten(1), (self.known[name] / unit).flatten(1)).amin(1)

    @cached_property
    def _scales(self) -> dict[str, Tensor]:
        """Modality -> the distance that 99 % of held-out members exceed, as far as anybody has asked."""
        return {}


def candidates_of(made: Made, way: str, consensus: Tensor) -> Candidates:
    """What was made, as candidates; where no model was attacked the margin is that of the consensus, float (N, K).

    Their parents are the members that they hold.
    """
    names = tuple(f"made-{place}" for place in range(len(made.labels)))
    parents = tuple(zip(*(made.members[name] for name in sorted(made.members)), strict=True)) or ((),) * len(names)
    before, after = made.margins or (margins_of(consensus.clamp_min(1e-9).log(), made.labels),) * 2
    return Candidates(Batch(names, made.x, made.labels), way, parents, made.starts, before, after)


@dataclass(frozen=True)
class Demands:
    """What is asked of an event.

    Attributes:
        agreed, made: the least probability that the judges of each modality must give the intended label, of real parts
            and of those that a generator made.
        apart: the least closeness of the latter, see `Jury.closeness`.
    """

    agreed: float
    made: float
    apart: float


def verdict_of(made: Made, jury: Jury, heard: Mapping[str, Tensor], demands: Demands) -> Verdict:
    """Accept where the judges of every modality give the intended label, and no made part copies a training member.

    Args:
        heard: what `Jury.hear` gave: modality -> float (N, K).
    """
    named = {name: said.gather(1, made.labels[:, None])[:, 0] for name, said in sorted(heard.items())}
    least = {name: demands.agreed if name in made.members else demands.made for name in named}
    asked = [Verdict.of(f"judged_{name}", said >= least[name], said) for name, said in named.items()]
    for name in sorted(set(heard) - set(made.members)):
        near = jury.closeness(name, made.x[name])
        asked.append(Verdict.of(f"copied_{name}", near >= demands.apart, near))
    told = Verdict(("",) * len(made.labels), made.told)
    return reduce(and_, asked, told)


def consensus_of(heard: Mapping[str, Tensor]) -> Tensor:
    """What all modalities' judges say together, float (N, K): the geometric mean, rows summing to 1."""
    return joint_opinion(torch.stack([said for _, said in sorted(heard.items())]))
