"""Flow: the GAN, and those who judge what it makes."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from data.runs import Run, StageRecord
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.train_model import read_source
from pipelines.training import stages
from pipelines.training.session import session


@task(cache_policy=NO_CACHE, task_run_name="generator")
def fit_gan(recipe: Recipe, run: Run) -> StageRecord:
    """Train the GAN, from its last checkpoint if there is one."""
    return stages.gan(recipe, run)


@task(cache_policy=NO_CACHE, task_run_name="judge-{fold}")
def fit_judge(recipe: Recipe, run: Run, fold: int) -> StageRecord:
    """Train one judge, on all folds but its own."""
    return stages.judge(recipe, run, fold)


@task(cache_policy=NO_CACHE, task_run_name="examiner")
def fit_examiner(recipe: Recipe, run: Run) -> StageRecord:
    """Train the outsider who measures labels and never filters."""
    return stages.examiner(recipe, run)


@task(cache_policy=NO_CACHE, task_run_name="fidelity")
def measure_fidelity(recipe: Recipe, run: Run) -> StageRecord:
    """Compare generated samples with real ones that no stage has trained on."""
    return stages.fidelity(recipe, run)


@flow
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
