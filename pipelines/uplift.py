"""Flow: would shards pay on these data? The best mix by validation, then every arm by the test part, and its cost."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.build_shards import build_shards
from pipelines.evaluate import attack_arms
from pipelines.orchestration.artifacts import show_accuracy
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.train_generator import train_generator
from pipelines.train_model import read_source, train_model
from pipelines.train_robust import train_robust
from pipelines.training import trials
from pipelines.training.evaluation.robustness import must_be_comparable
from pipelines.training.mixes import Mix
from pipelines.training.pages import report
from pipelines.training.session import session


@stage_task("trial-{mix.name}-{seed}")
def try_mix(recipe: Recipe, run: Run, mix: Mix, seed: int) -> StageRecord:
    """Train one classifier with a mix, and measure it on the validation part."""
    trials.train(recipe, run, mix, seed)
    return trials.measure(recipe, run, mix, seed)


@stage_task("report")
def write_report(recipe: Recipe, run: Run, seeds: int, tried: list[trials.Trial]) -> Path:
    """Write report.json and report.html, with what was tried on the validation part."""
    return report.write(recipe, run, seeds, tried)


@run_flow
def uplift(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, seeds: int = 3) -> Path:
    """Find the best mix on the validation part, then compare all arms on the test part.

    Args:
        recipe: a preset by name, and fields that differ from it; its `uplift` is the grid.
        run: the run's folder; what `hardshard run` has finished there is not done again.
        seeds: how many classifiers of each arm are trained and attacked.

    Returns:
        The path of report.json; report.html lies beside it.

    Raises:
        WrongUse: there are no samples to compare the arms on.
    """
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        must_be_comparable(opened.folder, recipe.evaluation.part)
        train_model(recipe, run)
        train_generator(recipe, run)
        build_shards(recipe, run)
        tried = _try_all(recipe, opened)
        chosen = trials.with_mix(recipe, trials.best_of(tried).mix)
        train_robust(chosen, run, seeds)
        attack_arms(chosen, opened, seeds)
        written = write_report(chosen, opened, seeds, tried)
        show_accuracy(opened, written)
        return written


def _try_all(recipe: Recipe, run: Run) -> list[trials.Trial]:
    seen = trials.seeds_of(recipe)
    under_way = [try_mix.submit(recipe, run, mix, seed) for seed in seen for mix in recipe.uplift.grid]
    for future in under_way:
        future.result()
    return trials.trials_of(recipe, run)
