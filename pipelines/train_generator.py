"""Flow: the GAN, and those who judge what it makes."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.train_model import read_source
from pipelines.training import stages
from pipelines.training.session import session


@stage_task("generator")
def fit_gan(recipe: Recipe, run: Run) -> StageRecord:
    """Train the GAN, from its last checkpoint if there is one."""
    return stages.gan(recipe, run)


@stage_task("judge-{fold}")
def fit_judge(recipe: Recipe, run: Run, fold: int) -> StageRecord:
    """Train one judge, on all folds but its own."""
    return stages.judge(recipe, run, fold)


@stage_task("examiner")
def fit_examiner(recipe: Recipe, run: Run) -> StageRecord:
    """Train the outsider who measures labels and never filters."""
    return stages.examiner(recipe, run)


@stage_task("fidelity")
def measure_fidelity(recipe: Recipe, run: Run) -> StageRecord:
    """Compare generated samples with real ones that no stage has trained on."""
    return stages.fidelity(recipe, run)


@run_flow
def train_generator(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Train the generator, its judges and the examiner, and report the generator's fidelity.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        under_way = [
            fit_gan.submit(recipe, opened),
            *(fit_judge.submit(recipe, opened, fold) for fold in range(recipe.judges.folds)),
            fit_examiner.submit(recipe, opened),
        ]
        for future in under_way:
            future.result()
        measure_fidelity(recipe, opened)
