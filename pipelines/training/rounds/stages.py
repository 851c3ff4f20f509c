"""The stages of the rounds: the first model; a round's set and its training; what to compare the last model with."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, cast

from data.runs import Facts, Run, StageRecord
from pipelines.recipes import Recipe
from pipelines.training import sets
from pipelines.training.events import stages as events
from pipelines.training.late import Late
from pipelines.training.processes import in_worker
from pipelines.training.rounds.archive import has_stalled, least_fooled
from pipelines.training.rounds.places import model_file, raw_file, set_folder
from pipelines.training.sets import SetOptions
from pipelines.training.stages import accuracy_of, depends_on, made_by

if TYPE_CHECKING:
    from pipelines.training.events import fitting as of_events
    from pipelines.training.rounds import fitting
else:  # torch is for those who work, see pipelines/training/late.py
    fitting = Late("pipelines.training.rounds.fitting")
    of_events = Late("pipelines.training.events.fitting")

IN_LOOP, PLAIN = "rounds-in-loop", "rounds-plain"
"""Stages of the trainings that rounds are compared with: the attack in the trainer's loop, and no attack anywhere."""


def first_model(recipe: Recipe, run: Run) -> StageRecord:
    """Plain training on the real samples: what round 1 attacks."""
    depends = {**_training(recipe, run), "number": 0}
    work = partial(in_worker, _fitting(recipe).fit_first, recipe, run.folder)
    return run.stage(_model(0), depends, [model_file(0), raw_file(0)], work)


def round_set(recipe: Recipe, run: Run, number: int) -> StageRecord:
    """The shards of one round, made against the model of the round before."""
    recipe = replace(recipe, search=recipe.rounds.search, checks={**recipe.rounds.checks})
    options = SetOptions(
        folder=set_folder(number),
        url=str(run.path(set_folder(number))),
        parts=1,
        attempts=recipe.rounds.candidates,
        count=1,
        mix=recipe.search.mix,
        checks=recipe.rounds.checks,
        attacked=(_model(number - 1), model_file(number - 1)),
        round=number,
    )
    (events.draft if recipe.events.epsilon else sets.draft)(recipe, run, options, number)
    sets.shard(recipe, run, options, 0, sets.drafts_of(run, options))
    return sets.index(recipe, run, options)


def round_model(recipe: Recipe, run: Run, number: int) -> StageRecord:
    """The model after a round, trained on its shard and the archive."""
    older = [*_archive(run, number - 1), number - 1] if number > 1 else []
    inputs = [_model(number - 1), *(set_folder(other) for other in (*older, number))]
    depends = {**_training(recipe, run), **made_by(run, inputs), "number": number}
    work = partial(in_worker, _fitting(recipe).fit_round, recipe, run.folder, number, older)
    return run.stage(_model(number), depends, [model_file(number), raw_file(number)], work)


def stalled(recipe: Recipe, run: Run, number: int) -> bool:
    """Whether attack success has stalled by the end of a round."""
    return has_stalled(successes(run, number), recipe.rounds.patience, recipe.rounds.gain)


def last_round(recipe: Recipe, run: Run) -> int:
    """The round that the rounds ended with."""
    if not recipe.rounds.patience:
        return recipe.rounds.count
    for number in range(1, recipe.rounds.count):
        if stalled(recipe, run, number):
            return number
    return recipe.rounds.count


def kept_round(recipe: Recipe, run: Run) -> int:
    """The round whose model is the outcome: the last, or with `rounds.keep` best the one fooled least by its own shard.

    The last round's model is not among these, as no shard is made against it; of equals the later is kept.
    """
    last = last_round(recipe, run)
    if recipe.rounds.keep == "last":
        return last
    return least_fooled(successes(run, last))


def successes(run: Run, last: int) -> list[float]:
    """Attack success of each round up to `last`, on the model that its shard was made against."""
    return [float(str(facts_of(run, number)["attack_success"])) for number in range(1, last + 1)]


def facts_of(run: Run, number: int) -> Facts:
    """What a round's training found of its shard and of the archive."""
    return run.record(_model(number)).facts


def attacked(run: Run, number: int) -> str:
    """SHA-256 of the model that a round's shard was made against."""
    return run.record(_model(number - 1)).outputs[model_file(number - 1)]


def rival(recipe: Recipe, run: Run, stage: str) -> StageRecord:
    """One of the trainings to compare with, `IN_LOOP` or `PLAIN`: as many steps as all rounds have, no shards."""
    steps = (recipe.events.warm if recipe.events.epsilon else recipe.rounds.steps) + _steps(recipe, run)
    options = recipe.rounds.in_loop(steps) if stage == IN_LOOP else recipe.rounds.plain(steps)
    depends, out = {**depends_on(recipe, run, "source"), "options": asdict(options)}, f"{stage}.safetensors"
    work = partial(in_worker, _fitting(recipe).fit_rival, recipe, run.folder, out, options)
    return run.stage(stage, depends | events.trainer_of(recipe), [out], work)


def stage_names(recipe: Recipe, run: Run) -> list[str]:
    """Every stage of the rounds and of what they are compared with, the attacks on them aside."""
    made = range(1, last_round(recipe, run) + 1)
    sets_of = [name for n in made for name in (f"{set_folder(n)}/draft-{n}", f"{set_folder(n)}/shard-0", set_folder(n))]
    return [_model(0), *sets_of, *(_model(number) for number in made), IN_LOOP, PLAIN]


def accuracies(recipe: Recipe, run: Run) -> dict[str, StageRecord]:
    """Clean and robust accuracy of the model that is kept and of the trainings to compare with."""
    kept = kept_round(recipe, run)
    measure = events.accuracy if recipe.events.epsilon else accuracy_of
    return {stage: measure(recipe, run, stage, f"{stage}.safetensors") for stage in (_model(kept), IN_LOOP, PLAIN)}


def staleness(recipe: Recipe, run: Run) -> StageRecord:
    """How often each round's shard fools the model of the last round."""
    last = last_round(recipe, run)
    depends = made_by(run, [_model(last), *(set_folder(number) for number in range(1, last + 1))])
    return run.stage("rounds-staleness", depends, [], partial(in_worker, _fitting(recipe).staleness, run.folder, last))


def _model(number: int) -> str:
    return model_file(number).removesuffix(".safetensors")


def _archive(run: Run, number: int) -> Sequence[int]:
    return cast(Sequence[int], facts_of(run, number)["archive"])


def _training(recipe: Recipe, run: Run) -> dict[str, object]:
    options = asdict(recipe.rounds)
    for of_no_matter in ("count", "patience", "gain", "keep", "candidates", "search", "checks"):
        del options[of_no_matter]
    return {**depends_on(recipe, run, "source"), "rounds": options, **events.trainer_of(recipe)}


def _steps(recipe: Recipe, run: Run) -> int:
    """Of all rounds together."""
    return recipe.rounds.steps * last_round(recipe, run)


def _fitting(recipe: Recipe) -> ModuleType:
    """What trains: on images, or on events."""
    return of_events if recipe.events.epsilon else fitting
