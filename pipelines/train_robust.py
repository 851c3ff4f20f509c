"""Flow: shards and real samples -> adversarially trained classifiers, ours and those it is compared with."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from data.runs import Run, StageRecord
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training import sets, stages
from pipelines.training.arms import ARMS
from pipelines.training.session import session


@task(cache_policy=NO_CACHE, task_run_name="control-{arm}")
def build_control(recipe: Recipe, run: Run, arm: str) -> StageRecord:
    """Write the shard set of an arm that does not look for hard samples."""
    return sets.control(recipe, run, arm)


@task(cache_policy=NO_CACHE, task_run_name="arm-{arm}-{seed}")
def fit_arm(recipe: Recipe, run: Run, arm: str, seed: int) -> StageRecord:
    """Train one arm from one seed."""
    return stages.arm(recipe, run, arm, seed)


@flow
def train_robust(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, seeds: int = 1) -> None:
    """Train a classifier on the shards, and one for each other arm of the comparison.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder, with its shards finished.
        seeds: how many classifiers of each arm.
    """
    with session(recipe, run) as opened:
        controls = [build_control.submit(recipe, opened, name) for name, arm in ARMS.items() if arm.search]
        for control in controls:
            control.result()
        first = recipe.seed
        under_way = [fit_arm.submit(recipe, opened, arm, seed) for seed in range(first, first + seeds) for arm in ARMS]
        for future in under_way:
            future.result()
