"""Flow: classifiers -> clean and robust accuracy on the test part, and the report."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.artifacts import show_accuracy
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training import stages
from pipelines.training.arms import arms_of
from pipelines.training.pages import report
from pipelines.training.session import session


@stage_task("attack-{arm}-{seed}")
def attack(recipe: Recipe, run: Run, arm: str, seed: int) -> StageRecord:
    """Measure one classifier by AutoAttack."""
    return stages.accuracy(recipe, run, arm, seed)


@stage_task("accuracy of the brought model")
def judge_brought(recipe: Recipe, run: Run) -> StageRecord:
    """Measure the user's model on the same samples, without an attack."""
    return stages.brought_accuracy(recipe, run)


@stage_task("report")
def write_report(recipe: Recipe, run: Run, seeds: int) -> Path:
    """Write report.json and report.html."""
    return report.write(recipe, run, seeds)


@run_flow
def evaluate(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, seeds: int = 1) -> Path:
    """Attack every arm's classifiers and say whether the shards pay.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder, with its classifiers trained.
        seeds: how many classifiers of each arm.

    Returns:
        The path of report.json; report.html lies beside it.
    """
    with session(recipe, run) as opened:
        attack_arms(recipe, opened, seeds)
        written = write_report(recipe, opened, seeds)
        show_accuracy(opened, written)
        return written


def attack_arms(recipe: Recipe, run: Run, seeds: int) -> None:
    """Measure every arm's classifiers, side by side, and the user's model where there is one."""
    seen = range(recipe.seed, recipe.seed + seeds)
    under_way = [attack.submit(recipe, run, arm, seed) for seed in seen for arm in arms_of(recipe)]
    for future in under_way:
        future.result()
    if recipe.model.path:
        judge_brought(recipe, run)
