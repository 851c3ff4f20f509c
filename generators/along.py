"""Attacks on one modality of several, its pair left bit by bit as it was: any attack of generators/attacks does.

An attack moves points of [0, 1] by a radius in their own units, and lets done rows leave. So one modality is mapped to
that cube with its own unit as the measure (a share of the image's range or of full scale, a standard deviation of each
feature), and the model is told which rows it is asked about, since each has companions of its own.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.forms import Form
from data.modalities import modality
from generators.attacks import Attack
from generators.margins import Model
from generators.options import Ball

Fused = Callable[[Mapping[str, Tensor]], Tensor]
"""A model of several modalities: modality -> x (N, ...) -> logits (N, K)."""
FAR = 10.0
"""Units to either side of the start that an attack without a finite radius may go, where x has no range."""


@dataclass(frozen=True)
class Along:
    """A fused model as a model of one modality, in the cube, for some rows of a batch.

    Attributes:
        fused: the whole model.
        inputs: modality -> x (N, ...), of every row.
        name: the modality that is given; of the others the rows' own inputs are taken.
        form: of that modality.
        reach: units from the start to the cube's sides, where x has no range.
        places: which rows, int64 (M,); None for all.
    """

    fused: Fused
    inputs: Mapping[str, Tensor]
    name: str
    form: Form
    reach: float = FAR
    places: Tensor | None = None

    def at(self, places: Tensor | None) -> "Along":
        """The same for other rows of the batch, int64 (M,)."""
        return replace(self, places=places)

    def __call__(self, cube: Tensor) -> Tensor:
        """Points of the cube, float (M, ...) in [0, 1] -> logits (M, K).

        Raises:
            ValueError: there are not as many as rows.
        """
        rows = {name: x if self.places is None else x[self.places] for name, x in self.inputs.items()}
        if len(cube) != len(rows[self.name]):
            raise ValueError(f"{len(cube)} points for {len(rows[self.name])} rows: which rows are they?")
        return self.fused({**rows, self.name: self.x_of(cube, rows[self.name])})

    @property
    def cube(self) -> Tensor:
        """Where the inputs lie in the cube, float (N, ...) in [0, 1]; texts, which have none, as they are."""
        x, kind = self.inputs[self.name], modality(self.name)
        if not x.is_floating_point():
            return x
        return (x - kind.low) / (kind.high - kind.low) if math.isfinite(kind.low) else torch.full_like(x, 0.5)

    @property
    def width(self) -> float:
        """Units from side to side of the cube."""
        kind = modality(self.name)
        if not self.inputs[self.name].is_floating_point():
            return 1.0
        return kind.high - kind.low if math.isfinite(kind.low) else 2 * self.reach

    def x_of(self, cube: Tensor, start: Tensor) -> Tensor:
        """Points of the cube as x, both float (M, ...); what is padding at the start, float (M, ...), stays."""
        kind = modality(self.name)
        if not start.is_floating_point():
            return cube
        if math.isfinite(kind.low):
            return cube * (kind.high - kind.low) + kind.low
        unit = torch.tensor(self.form.unit or 1.0, dtype=cube.dtype, device=cube.device)
        heard = (start != 0).any(-1, keepdim=True)
        return start + heard * (cube - 0.5) * self.width * unit


def along(fused: Fused, inputs: Mapping[str, Tensor], name: str, form: Form | None = None) -> Along:
    """A fused model as a model of one modality in the cube, its pair as it is.

    Args:
        inputs: modality -> x (N, ...).
        name: the modality to vary.
        form: of that modality; None where a perturbation of 1 is one of its own range.

    Raises:
        ValueError: there is no such input.
    """
    if name not in inputs:
        raise ValueError(f"an attack moves one of {', '.join(inputs)}, got {name}")
    return Along(fused, inputs, name, form or Form(tuple(inputs[name].shape[1:])))


def attack_along(
    attack: Attack, way: Along, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> dict[str, Tensor]:
    """Attack one modality.

    Args:
        way: see `along`.
        y, y_target: as of `Attack`, int64 (N,).
        ball: radius and step size in that modality's units; in L2 a unit counts as one in every direction.

    Returns:
        Modality -> x (N, ...): of the one attacked x_adv, whose rows that did not move are bit by bit as they were;
        of the others the very tensors that came.
    """
    way = replace(way, reach=ball.epsilon if 0 < ball.epsilon < math.inf else FAR)
    start, x = way.cube, way.inputs[way.name]
    in_cube = replace(ball, epsilon=ball.epsilon / way.width, step_size=ball.step_size / way.width)
    moved = attack(way, start, y, in_cube, rng, y_target)
    return {**way.inputs, way.name: torch.where(moved == start, x, way.x_of(moved, x))}


@dataclass(frozen=True)
class Together:
    """A fused model as a model of several modalities at once: each row's balls as one cube, float (M, D) in [0, 1].

    The middle of the cube is the start and its sides are the balls', so that a radius of 0.5 in it is all of them.

    Attributes:
        fused, inputs, places: as of `Along`.
        forms: modality -> its form, of those that are moved.
        epsilon: modality -> L-inf radius in its own units.
    """

    fused: Fused
    inputs: Mapping[str, Tensor]
    forms: Mapping[str, Form]
    epsilon: Mapping[str, float]
    places: Tensor | None = None

    def at(self, places: Tensor | None) -> "Together":
        """The same for other rows of the batch, int64 (M,)."""
        return replace(self, places=places)

    @property
    def cube(self) -> Tensor:
        """The starts: the middle of the cube, float (N, D)."""
        sizes = [self.inputs[name][0].numel() for name in self.forms]
        first = next(iter(self.inputs.values()))
        return torch.full((len(first), sum(sizes)), 0.5, device=first.device)

    def __call__(self, cube: Tensor) -> Tensor:
        """Points of the cube, float (M, D) in [0, 1] -> logits (M, K)."""
        return self.fused(self.x_of(cube))

    def x_of(self, cube: Tensor) -> dict[str, Tensor]:
        """Points of the cube, float (M, D), as x of every modality, (M, ...)."""
        rows = {name: x if self.places is None else x[self.places] for name, x in self.inputs.items()}
        parts = torch.split(cube, [rows[name][0].numel() for name in self.forms], 1)
        return rows | {name: self._one(name, rows[name], part) for name, part in zip(self.forms, parts, strict=True)}

    def _one(self, name: str, start: Tensor, part: Tensor) -> Tensor:
        kind, unit = modality(name), torch.tensor(self.forms[name].unit or 1.0, device=part.device)
        delta = (2 * part.view_as(start) - 1) * self.epsilon[name] * unit
        heard = (start != 0).any(-1, keepdim=True) if not math.isfinite(kind.low) else 1.0
        return (start + heard * delta).clamp(kind.low, kind.high)


def seen_by(model: Model, places: Tensor | None) -> Model:
    """The model for these rows of a batch alone, int64 (M,) or None for all; most models are the same for any."""
    return model.at(places) if isinstance(model, Along | Together) else model
