"""A classifier of events: an encoder a modality, one head on all of them, one head on each, a gate where asked for."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from data.errors import Damaged, WrongUse
from data.forms import Form, named_forms
from pipelines.training.models import checkpoints
from pipelines.training.models.encoders import encoder_of

Inputs = Mapping[str, Tensor]
"""Modality -> x (N, ...) as a model takes it."""
ENCODED = "encoded "
"""Before a modality's name: the key of what its encoder makes of it, float (N, hidden); see `Fusion.holding`."""


@dataclass(frozen=True)
class FusionShape:
    """Inputs, modality -> its form, -> logits (classes)."""

    forms: Mapping[str, Form]
    classes: int
    features: int = 16
    """Channels of an encoder's first layer."""
    hidden: int = 64
    """Length of the vector that each encoder ends in."""
    gate: bool = False
    """Whether a gate weighs the joint head with all modalities against the joint head without each."""
    quiet: float = 1e-3
    """Power of a window of sound below which all is silence."""

    def __post_init__(self) -> None:
        # By name, which is the order they come back in from disk: who stands where is what weights mean.
        object.__setattr__(self, "forms", dict(sorted(self.forms.items())))


@dataclass(frozen=True)
class Opinions:
    """What the parts of a classifier of events say of N of them.

    Attributes:
        joint: what counts, float (N, K): logits, or with a gate log-probabilities.
        alone: modality -> its own head's logits, float (N, K).
        gate: float (N, 1 + M): how likely all modalities belong together, then how likely each is the odd one, as
            logits; None without a gate.
        views: float (N, 1 + M, K): log-probabilities by all modalities, then without each; None without a gate.
    """

    joint: Tensor
    alone: Mapping[str, Tensor]
    gate: Tensor | None = None
    views: Tensor | None = None


class Fusion(nn.Module):
    """Events, modality -> x (N, ...) -> logits, float (N, K).

    A modality that is missing is replaced, behind its encoder, by a learned vector. The gate follows odd-one-out
    learning, Yang et al. 2021, arXiv:2206.12714: of the predictions with everything and with each modality left out it
    believes those without the one that disagrees.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        names, wide = list(shape.forms), shape.hidden
        self.shape = shape
        self.encoders = nn.ModuleDict(
            {name: encoder_of(name, form, shape.features, wide, shape.quiet) for name, form in shape.forms.items()}
        )
        self.nulls = nn.ParameterDict({name: nn.Parameter(torch.zeros(wide)) for name in names})
        self.heads = nn.ModuleDict({name: nn.Linear(wide, shape.classes) for name in names})
        self.head = nn.Linear(wide * len(names), shape.classes)
        together = wide * len(names)
        gate = [nn.Linear(together, wide), nn.ReLU(), nn.Linear(wide, 1 + len(names))]
        self.odd = nn.Sequential(*gate) if shape.gate else None

    def forward(self, x: Inputs) -> Tensor:
        """What counts, float (N, K); modalities that `x` lacks are missing."""
        joint: Tensor = self.opinions(x).joint
        return joint

    def opinions(self, x: Inputs, hidden: Mapping[str, Tensor] | None = None) -> Opinions:
        """What each part says.

        Args:
            x: the modalities there are, at least one.
            hidden: modality -> bool (N,): rows in which it is taken as missing although it is there.
        """
        seen = self._encoded(x)
        alone = {name: self.heads[name](vector) for name, vector in seen.items()}
        present = {name: self._masked(name, vector, hidden) for name, vector in seen.items()}
        size = len(next(iter(present.values())))
        full = {name: present.get(name, self.nulls[name].expand(size, -1)) for name in self.shape.forms}
        if self.odd is None or len(present) < len(full):
            return Opinions(self._joint(full), alone)
        return self._gated(full, alone)

    def without(self, x: Inputs, missing: Collection[str]) -> Tensor:
        """Logits, float (N, K), when these modalities are missing."""
        logits: Tensor = self({name: value for name, value in x.items() if name not in missing})
        return logits

    @torch.no_grad()
    def holding(self, x: Inputs, name: str) -> dict[str, Tensor]:
        """The same events with every modality but one encoded already, bit by bit as it would be: for attacks on that.

        A classifier answers it as it answers `x`, without running those encoders at every step.
        """
        others = {other: self.encoders[other](x[other]) for other in self.shape.forms if other != name}
        return {**x, **{ENCODED + other: vector for other, vector in others.items()}}

    def _encoded(self, x: Inputs) -> dict[str, Tensor]:
        held = {name: x[ENCODED + name] for name in self.shape.forms if ENCODED + name in x}
        there = [name for name in self.shape.forms if name in x]
        return {name: held[name] if name in held else self.encoders[name](x[name]) for name in there}

    def _masked(self, name: str, vector: Tensor, hidden: Mapping[str, Tensor] | None) -> Tensor:
        return vector if not hidden else torch.where(hidden[name][:, None], self.nulls[name], vector)

    def _joint(self, full: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.head(torch.cat(list(full.values()), 1))
        return logits

    def _gated(self, full: Mapping[str, Tensor], alone: Mapping[str, Tensor]) -> Opinions:
        gate: Tensor = cast(nn.Module, self.odd)(torch.cat(list(full.values()), 1))
        views = [full, *({**full, name: self.nulls[name].expand_as(full[name])} for name in full)]
        said = torch.stack([self._joint(view).log_softmax(1) for view in views], 1)
        joint = torch.logsumexp(gate.log_softmax(1)[:, :, None] + said, 1)
        return Opinions(joint, alone, gate, said)


def save_fusion(path: Path, model: Fusion) -> str:
    """Write a classifier of events and its shape; returns the file's SHA-256, the model's digest."""
    return checkpoints.save(path, model.state_dict(), asdict(model.shape))


def load_fusion(path: Path) -> Fusion:
    """A classifier of events from disk, in eval mode, its parameters frozen.

    Raises:
        Damaged: the file does not hold one.
    """
    tensors, facts = checkpoints.load(path)
    try:
        model = Fusion(_shape_of(facts))
        model.load_state_dict(tensors)
    except (TypeError, KeyError, AttributeError, RuntimeError, WrongUse) as error:
        raise Damaged(f"{path} holds no classifier of events ({error}): delete it and run again") from error
    return model.eval().requires_grad_(False)


def _shape_of(facts: Mapping[str, object]) -> FusionShape:
    forms = named_forms(cast(Mapping[str, Mapping[str, object]], facts["forms"]))
    return FusionShape(**{**facts, "forms": forms})  # type: ignore[arg-type]
