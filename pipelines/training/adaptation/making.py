"""Makes a round's drafts: target samples with pseudo-labels, and labelled samples taken to the target's domain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

import generators.checks
import generators.search
from data.draft_files import DraftRecord
from data.drafts import Judged, write_draft
from data.plugins import plugin
from data.records import Batch, Candidates, Verdict
from generators.apportioning import plain_mix
from generators.checks import Check, Evidence, Witnesses, come_back, hear
from generators.ensembles import joint
from generators.margins import margins_of
from generators.search import Scene, Search
from generators.translation import Translation
from pipelines.recipes import Recipe
from pipelines.training.adaptation.domains import target_samples
from pipelines.training.adaptation.fitting import load_translation, members_of, opinions
from pipelines.training.drafting import DRAFTS, SPLIT, preview_file
from pipelines.training.materialise import AT_ONCE, balanced_labels, draft_rng, everything, pressed
from pipelines.training.models.classifier import Classifier
from pipelines.training.pages.previews import write_previews
from pipelines.training.participants import samples
from pipelines.training.progress import report

PSEUDO, TRANSLATED = 0, 1
"""Numbers of a round's two drafts."""
OF_THE_WAY_BACK = ("cycle_error", "back_agreement")
"""Checks that need a translation."""


@dataclass(frozen=True)
class Making:
    """What a round's drafts are made by.

    Attributes:
        set_name: folder of the round's set within the run.
        members: files of the classifiers of the round before, which label and judge.
        natives: files of classifiers trained on the source alone, which judge what is translated back to it; without
            them there is no translation.
        passed_on: whether pseudo-labels pass between target samples that are like each other.
        checks: check -> its threshold, for target samples with pseudo-labels.
    """

    set_name: str
    members: Sequence[str]
    natives: Sequence[str] = ()
    passed_on: bool = False
    checks: Mapping[str, float] = field(default_factory=dict)


def make_draft(recipe: Recipe, run: Path, making: Making, number: int) -> DraftRecord:
    """Make one draft of a round: `PSEUDO` or `TRANSLATED`; its random numbers come from (seed, set, number) alone."""
    rng = draft_rng(recipe.seed, making.set_name, number)
    cast_ = Cast.of(recipe, run, making)
    judged = [_pseudo_labelled(cast_, rng)] if number == PSEUDO else list(_translated(cast_, rng))
    write_previews(run / preview_file(making.set_name, number), judged)
    return write_draft(run / DRAFTS / making.set_name, SPLIT, number, judged, rng)


@dataclass(frozen=True)
class Cast:
    """Who takes part in making a round's drafts."""

    recipe: Recipe
    making: Making
    source: Batch
    target: Batch
    opinions: Tensor
    """Of the target's samples, float (N, K); `target` has the first choices for labels."""
    held_out: Batch
    """The target's validation samples, with pseudo-labels: the scale for realism and distance."""
    members: Sequence[Classifier]
    natives: Sequence[Classifier]
    translation: Translation | None

    @classmethod
    def of(cls, recipe: Recipe, run: Path, making: Making) -> "Cast":
        """All of them, from the run's folder."""
        members, natives = members_of(run, making.members), members_of(run, making.natives)
        target, held_out = (target_samples(recipe, run, part) for part in ("train", "validation"))
        told = opinions(members, target.inputs["image"], recipe.adapt, passed_on=making.passed_on)
        told_of_held_out = opinions(members, held_out.inputs["image"], recipe.adapt)
        return cls(
            recipe,
            making,
            samples(run, "train", recipe.source),
            replace(target, labels=told.argmax(1)),
            told,
            replace(held_out, labels=told_of_held_out.argmax(1)),
            members,
            natives,
            load_translation(run) if natives else None,
        )


def _pseudo_labelled(cast_: Cast, rng: torch.Generator) -> Judged:
    """Every target sample once, with what the members together take it to be."""
    batch, options = cast_.target, cast_.recipe.adapt
    told = cast_.opinions
    with torch.no_grad():
        margins = margins_of(joint(cast_.members)(batch.inputs["image"]), batch.labels)
    parents = tuple((key,) for key in batch.keys)
    made = Candidates(batch, "pseudo_label", parents, batch.inputs, margins, margins, as_is=True)
    unasked = torch.ones(len(batch))
    evidence = _returned(cast_, made, Evidence(told[None], unasked, unasked), rng)
    checks = cast_.making.checks
    if cast_.translation is None:
        checks = {name: limit for name, limit in checks.items() if name not in OF_THE_WAY_BACK}
    report(f"{cast_.making.set_name} pseudo-labels", len(batch), len(batch))
    return Judged(made, _verdict(made, evidence, checks), _softened(batch.labels, told, options.soft))


def _translated(cast_: Cast, rng: torch.Generator) -> Iterator[Judged]:
    """Labelled samples as the target's domain would have them, each class as often as any other."""
    options, translation = cast_.recipe.adapt, cast_.translation
    if translation is None:
        raise ValueError(f"{cast_.making.set_name} has no translation to make samples by")
    scene = Scene(joint(cast_.members), _no_generator, 0, cast_.source, judges=cast_.members, translation=translation)
    witnesses = Witnesses(cast_.members, translation.discriminator_b, cast_.target, cast_.held_out)
    done = 0
    for name, count in plain_mix(options.search.mix, options.translated).items():
        for y in torch.split(balanced_labels(cast_.source, count, rng), AT_ONCE) if count else ():
            made = cast(Search, plugin(generators.search, name))(scene, y, options.search, rng)
            heard = pressed(hear(witnesses, made.batch), scene.model, made, options.search, options.checks)
            evidence = _returned(cast_, made, heard, rng)
            soft = _softened(y, evidence.soft_labels, options.soft)
            yield Judged(made, _verdict(made, evidence, options.checks), soft)
            report(f"{cast_.making.set_name} translations", done := done + len(y), options.translated)


def _no_generator(z: Tensor, y: Tensor) -> Tensor:
    raise ValueError("adaptation trains no generator of latents")


def _returned(cast_: Cast, made: Candidates, evidence: Evidence, rng: torch.Generator) -> Evidence:
    if cast_.translation is None:
        return evidence
    errors, back = come_back(cast_.translation, cast_.natives, made, rng)
    return replace(evidence, cycle_errors=errors, back_probabilities=back)


def _verdict(made: Candidates, evidence: Evidence, checks: Mapping[str, float]) -> Verdict:
    asked = [(cast(Check, plugin(generators.checks, name)), limit) for name, limit in checks.items()]
    return reduce(and_, (check(made, evidence, limit) for check, limit in asked), everything(made))


def _softened(y: Tensor, told: Tensor, weight: float) -> Tensor:
    """Soft labels, float (N, K): of this weight what was told, the rest the label."""
    return torch.lerp(F.one_hot(y, told.shape[1]).float(), told, weight)
