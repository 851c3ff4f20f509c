"""Cross-modal adversarial augmentation: events with one modality attacked, and what judges of each modality say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data.modalities import modality
from data.records import Batch, Candidates, Verdict
from generators.along import Along, attack_along
from generators.attacks import Attack
from generators.augmentation import delay, shift
from generators.margins import Model, margins_of
from generators.options import Ball


def attack_one(way: Along, batch: Batch, attack: Attack, ball: Ball, rng: torch.Generator) -> Candidates:
    """Attack one modality of every event, its companions bit by bit as they were.

    Args:
        way: the model under attack as a model of that modality, see `along`; it may hold more of the events than their
            inputs, to answer the same faster.
        batch: real events.
        ball: radius and step size in the modality's unit.

    Returns:
        Candidates of search `adversarial_<name>`, as a reader will see them: rounded as they are kept, before the
        margin is taken.
    """
    kind = modality(way.name)
    x_adv = attack_along(attack, way, batch.labels, ball, rng)[way.name]
    kept = {**batch.inputs, way.name: kind.floats(kind.rest(x_adv))}
    with torch.no_grad():
        before, after = (margins_of(way.fused(x), batch.labels) for x in (batch.inputs, kept))
    parents = tuple((key,) for key in batch.keys)
    made = Batch(batch.keys, kept, batch.labels)
    return Candidates(made, f"adversarial_{way.name}", parents, batch.inputs, before, after)


def moved(x: Mapping[str, Tensor], most: Mapping[str, int], rng: torch.Generator) -> dict[str, Tensor]:
    """Events, modality -> x (N, ...), moved at random before anybody attacks them.

    After an attack it would be too late: what it found fits the network's strides, and is half lost when it moves.

    Args:
        most: modality -> how far: pixels of pictures each way, frames of features or samples of sound later.
    """
    found = dict(x)
    for name, far in sorted(most.items()):
        if far and name in x and not (name == "features" and x[name].ndim < 3):  # a single row has no time
            along = {"features": 1, "audio": 2}.get(name)
            found[name] = delay(x[name], rng, most=far, dim=along) if along else shift(x[name], rng, most=far)
    return found


@dataclass(frozen=True)
class Bench:
    """The judges of one modality.

    Attributes:
        judges: x of that modality (N, ...) -> logits (N, K); judge j has not trained on members of fold j.
    """

    judges: Sequence[Model]

    def fold_of(self, member: str) -> int:
        """The fold of a member, by its key: that of the judge who may be asked about it."""
        return fold_of(member, len(self.judges))

    @torch.no_grad()
    def hear(self, x: Tensor, members: Sequence[str]) -> Tensor:
        """Probabilities, float (N, K), for x (N, ...), each of the judge who has not seen that member."""
        folds = torch.tensor([self.fold_of(member) for member in members])
        said = torch.stack([judge(x).softmax(1) for judge in self.judges])
        return said[folds, torch.arange(len(x))]


def fold_of(member: str, folds: int) -> int:
    """The fold of a member, by its key, which is a hexadecimal digest."""
    return int(member[:8], 16) % folds


@dataclass(frozen=True)
class Hearing:
    """What judges say of N events.

    Attributes:
        probabilities: modality -> its own judges' probabilities, float (N, K).
        touched: modality -> bool (N,), whether that modality was moved.
    """

    probabilities: Mapping[str, Tensor]
    touched: Mapping[str, Tensor]

    @property
    def consensus(self) -> Tensor:
        """The geometric mean of all modalities' judges, float (N, K), rows summing to 1."""
        said = torch.stack(list(self.probabilities.values()))
        return said.clamp_min(1e-9).log().mean(0).softmax(1)

    def verdict(self, y: Tensor, untouched: float, touched: float) -> Verdict:
        """Accept where each modality's judges give the intended label, int64 (N,), enough.

        Args:
            untouched: what the judges of a modality that nobody moved must give it.
            touched: what those of the modality that was moved must.
        """
        named = {name: said.gather(1, y[:, None])[:, 0] for name, said in self.probabilities.items()}
        best = torch.ones_like(next(iter(named.values())))
        least = {
            kind: torch.stack([torch.where(self.touched[name] == moved, said, best) for name, said in named.items()])
            for kind, moved in (("untouched", False), ("touched", True))
        }
        scores = {kind: values.amin(0) for kind, values in least.items()}
        first = Verdict.of("untouched", scores["untouched"] >= untouched, scores["untouched"])
        return first & Verdict.of("touched", scores["touched"] >= touched, scores["touched"])


def hear(benches: Mapping[str, Bench], made: Candidates, members: Mapping[str, Sequence[str]]) -> Hearing:
    """Ask each modality's judges about candidates.

    Args:
        benches: modality -> its judges.
        members: modality -> N keys of the members that the candidates come from.
    """
    x, starts = made.batch.inputs, made.starts
    said = {name: bench.hear(x[name], members[name]) for name, bench in benches.items()}
    return Hearing(said, {name: (x[name] != starts[name]).flatten(1).any(1) for name in benches})
