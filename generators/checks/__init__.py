"""Judges candidates: one file a check, which exports a function of its own name with the signature of `Check`.

Checks combine with `&`: what all accept is kept, and the first that refuses gives the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from data.records import Batch, Candidates, Verdict
from generators.attacks.pgd import pgd
from generators.margins import Model, margins_of
from generators.options import Ball
from generators.translation import Translation


@dataclass(frozen=True)
class Witnesses:
    """Those who are asked about a candidate; none of them is the model under attack.

    Attributes:
        judges: classifiers, cross-fitted on folds of the training samples.
        discriminator: the GAN's: images (N, C, H, W) and labels (N,) -> realism (N,).
        real: the training samples.
        held_out: real samples that trained none of the above, as the scale for realism and distance.
    """

    judges: Sequence[Model]
    discriminator: "RealismModel"
    real: Batch
    held_out: Batch


class RealismModel(Protocol):
    """A discriminator: higher is more realistic."""

    def __call__(self, x: Tensor, y: Tensor, /) -> Tensor:
        """Float (N,) for images (N, C, H, W) and labels (N,)."""


@dataclass(frozen=True)
class Evidence:
    """What the witnesses say of N candidates.

    Attributes:
        probabilities: float (J, N, K), each judge's softmax.
        realism: float (N,) in [0, 1]: the share of held-out real samples that the discriminator finds less realistic.
        closeness: float (N,): distance to the nearest training sample, where 1 is the distance that 1 % of held-out
            real samples do not reach.
        robust_margins: float (N,): the attacked model's margin at the worst point that an attack found around the
            candidate, see `press`; empty where nobody asked.
        cycle_errors: float (N,): what is lost on the way to the other domain and back, see `come_back`; likewise.
        back_probabilities: float (J', N, K): what judges of the other domain see after the way back; likewise.
    """

    probabilities: Tensor
    realism: Tensor
    closeness: Tensor
    robust_margins: Tensor = field(default_factory=lambda: torch.empty(0))
    cycle_errors: Tensor = field(default_factory=lambda: torch.empty(0))
    back_probabilities: Tensor = field(default_factory=lambda: torch.empty(0))

    def rows(self, chosen: Tensor) -> "Evidence":
        """What is said of the candidates at `chosen`, bool (N,)."""
        pressed, lost = (part[chosen] if len(part) else part for part in (self.robust_margins, self.cycle_errors))
        back = self.back_probabilities[:, chosen] if len(self.back_probabilities) else self.back_probabilities
        return Evidence(
            self.probabilities[:, chosen], self.realism[chosen], self.closeness[chosen], pressed, lost, back
        )

    @property
    def soft_labels(self) -> Tensor:
        """The judges' mean probabilities, float (N, K)."""
        return self.probabilities.mean(0)

    def softened(self, temperature: float) -> Tensor:
        """Soft labels, float (N, K), of judges made less sure, or surer below 1, by a temperature > 0."""
        return (self.probabilities.clamp_min(1e-30).log() / temperature).softmax(2).mean(0)

    @property
    def consensus(self) -> Tensor:
        """The judges' geometric mean, float (N, K), rows summing to 1: one who is sure of the contrary weighs more."""
        return joint_opinion(self.probabilities)


def joint_opinion(probabilities: Tensor) -> Tensor:
    """The geometric mean of float (J, N, K) over its first dimension, float (N, K), rows summing to 1."""
    return probabilities.clamp_min(1e-9).log().mean(0).softmax(1)


class Check(Protocol):
    """What every file of this folder exports."""

    def __call__(self, candidates: Candidates, evidence: Evidence, threshold: float) -> Verdict:
        """Accepts the candidates that reach `threshold`, whose meaning the check states."""


def asked(check: str, candidates: Candidates, evidence: Tensor) -> Tensor:
    """The evidence, float (N, ...), that a check goes by.

    Raises:
        ValueError: nobody gathered it for each of the candidates.
    """
    if len(evidence) != len(candidates):
        raise ValueError(f"{check} needs evidence of {len(candidates)} candidates, got it of {len(evidence)}")
    return evidence


def within(check: str, candidates: Candidates, moved: Tensor, limit: float) -> Verdict:
    """The verdict of a check on balls: float (N,) how far each was moved, at most `limit` where it has one parent."""
    perturbed = torch.tensor([len(parents) == 1 for parents in candidates.parents], dtype=torch.bool)
    return Verdict.of(check, ~perturbed | (moved <= limit), moved)


def press(model: Model, candidates: Candidates, ball: Ball, rng: torch.Generator) -> Tensor:
    """The model's margins after a PGD attack on each candidate, float (N,): below 0 where the boundary is in reach."""
    x, y = candidates.batch.inputs["image"], candidates.batch.labels
    x_adv = pgd(model, x, y, ball, rng)
    with torch.no_grad():
        return margins_of(model(x_adv), y)


@torch.no_grad()
def come_back(
    translation: Translation, judges: Sequence[Model], candidates: Candidates, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What becomes of candidates of domain b on the way to domain a.

    Args:
        judges: classifiers of domain a.

    Returns:
        Mean absolute difference, float (N,), of what came of `translate` from its start in domain a after the way
        back there, and of anything else from itself after the way to a and back; and each judge's softmax of what
        arrived in a, float (J, N, K).
    """
    x = candidates.batch.inputs["image"]
    arrived = translation.back(x, rng)
    ends = (arrived, candidates.starts["image"])
    if candidates.search != "translate":
        ends = (translation.forth(arrived, rng), x)
    errors = (ends[0] - ends[1]).abs().flatten(1).mean(1)
    return errors, torch.stack([judge(arrived).softmax(1) for judge in judges])


@torch.no_grad()
def hear(witnesses: Witnesses, batch: Batch) -> Evidence:
    """Ask every witness about a batch of images, float (N, C, H, W) in [0, 1]."""
    x = batch.inputs["image"]
    scale = _realism(witnesses, witnesses.held_out).sort().values
    realism = torch.searchsorted(scale, _realism(witnesses, batch)) / len(scale)
    spacing = _nearest(witnesses.held_out, witnesses.real).quantile(0.01)
    probabilities = torch.stack([judge(x).softmax(1) for judge in witnesses.judges])
    return Evidence(probabilities, realism, _nearest(batch, witnesses.real) / spacing)


def _realism(witnesses: Witnesses, batch: Batch) -> Tensor:
    return witnesses.discriminator(batch.inputs["image"], batch.labels)


def _nearest(batch: Batch, real: Batch) -> Tensor:
    return torch.cdist(batch.inputs["image"].flatten(1), real.inputs["image"].flatten(1)).amin(1)
