"""Chooses thresholds that a recipe leaves open, on hard candidates of the validation part with planted wrong labels."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

import generators.checks
import generators.search
from data.errors import WrongUse
from data.plugins import plugin
from data.records import Batch, Candidates
from data.sources import Part
from generators.checks import Check, Evidence, hear
from generators.options import SearchOptions
from generators.planting import Planted, plant
from generators.search import Scene, Search
from generators.thresholds import choose
from pipelines.recipes import Recipe
from pipelines.training.drafting import AUTO, THRESHOLDS
from pipelines.training.materialise import AT_ONCE, balanced_labels, draft_rng, pressed
from pipelines.training.participants import samples, scene_of, witnesses_of
from pipelines.training.progress import report

SEARCHES = ("perturb", "pixel_interpolate")
"""The searches whose candidates' truth their parents tell."""
ATTEMPTS = 2560
"""Candidates of each search."""
WRONG = 0.2
"""Share of candidates that are supposed to carry a wrong label."""


@dataclass(frozen=True)
class Trial:
    """Planted candidates with what the witnesses say of them: bool (N,) which are right."""

    candidates: Candidates
    evidence: Evidence
    right: Tensor

    def rows(self, chosen: Tensor) -> "Trial":
        """Those at `chosen`, bool (N,)."""
        return Trial(self.candidates.rows(chosen.nonzero()[:, 0]), self.evidence.rows(chosen), self.right[chosen])


def choose_thresholds(recipe: Recipe, run: Path) -> dict[str, object]:
    """Choose every threshold that is `auto`, each given the checks before it.

    Returns:
        `chosen`, check -> what was chosen and measured.

    Raises:
        WrongUse: no threshold refuses enough.
    """
    trial, chosen = planted(recipe, run), {}
    for name, given in recipe.checks.items():
        check = cast(Check, plugin(generators.checks, name))
        if given == AUTO:
            rate, heard = recipe.shards.label_error, trial.evidence
            choice = choose(check, trial.candidates, heard, trial.right, wrong=WRONG, rate=rate)
            if choice is None:
                raise WrongUse(_told(name, recipe, len(trial.right)))
            chosen[name] = asdict(choice)
        limit = chosen[name]["threshold"] if given == AUTO else given
        trial = trial.rows(check(trial.candidates, trial.evidence, limit).accepted)
    return {"label_error": recipe.shards.label_error, "wrong_supposed": WRONG, "chosen": chosen}


def planted(recipe: Recipe, run: Path, part: Part = "validation") -> Trial:
    """Held-out samples that the recipe's searches have brought to the boundary, under the right and the wrong label.

    They are perturbed within the ball that classifiers are trained in, where labels are assumed to hold; where it has
    no radius, within the search's own.
    """
    held_out = samples(run, part, recipe.source)
    scene = scene_of(run, recipe.source, search=recipe.search, folds=recipe.judges.folds)
    scene = replace(scene, real=held_out)
    ball, rng = recipe.training.ball, draft_rng(recipe.seed, THRESHOLDS, 0)
    options = replace(recipe.search, epsilon=ball.epsilon, norm=ball.norm) if ball.epsilon else recipe.search
    groups = [group for name in SEARCHES for group in _planted_by(name, scene, options, rng)]
    witnesses = witnesses_of(run, recipe.source, recipe.judges.folds)
    heard = [hear(witnesses, group.candidates.batch) for group in groups]
    evidence = Evidence(
        torch.cat([one.probabilities for one in heard], 1),
        torch.cat([one.realism for one in heard]),
        torch.cat([one.closeness for one in heard]),
    )
    candidates = _joined([group.candidates for group in groups])
    evidence = pressed(evidence, scene.model, candidates, options, recipe.checks)
    return Trial(candidates, evidence, torch.cat([group.right for group in groups]))


def _planted_by(name: str, scene: Scene, options: SearchOptions, rng: torch.Generator) -> list[Planted]:
    search, groups = cast(Search, plugin(generators.search, name)), []
    for y in torch.split(balanced_labels(scene.real, ATTEMPTS, rng), AT_ONCE):
        groups.append(plant(search(scene, y, options, rng), scene.real, scene.model))
        report(THRESHOLDS, len(groups) * AT_ONCE, ATTEMPTS, name)
    return groups


def _joined(groups: list[Candidates]) -> Candidates:
    batches = [group.batch for group in groups]
    keys = tuple(f"planted-{place}" for place in range(sum(len(batch) for batch in batches)))
    images = {"image": torch.cat([batch.inputs["image"] for batch in batches])}
    return Candidates(
        Batch(keys, images, torch.cat([batch.labels for batch in batches])),
        THRESHOLDS,
        tuple(parents for group in groups for parents in group.parents),
        {"image": torch.cat([group.starts["image"] for group in groups])},
        torch.cat([group.margins_before for group in groups]),
        torch.cat([group.margins for group in groups]),
    )


def _told(name: str, recipe: Recipe, planted: int) -> str:
    rate = recipe.shards.label_error
    return (
        f"no threshold of {name} keeps wrong labels to {rate:g} of {planted} planted candidates: train the judges "
        f"longer (--judges.fit.steps), allow more (--shards.label_error) or give a number (--checks.{name} 0.65)"
    )
