"""Flow: generator and model -> candidates -> verdicts -> shards and manifest."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from data.runs import Run, StageRecord
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training import stages
from pipelines.training.session import session


@task(cache_policy=NO_CACHE, task_run_name="shard-{number}")
def build_shard(recipe: Recipe, run: Run, number: int) -> StageRecord:
    """Search, check and write one shard."""
    return stages.shard(recipe, run, number)


@task(cache_policy=NO_CACHE, task_run_name="index")
def commit_set(recipe: Recipe, run: Run) -> StageRecord:
    """Write the set's index, which makes the shards a set."""
    return stages.index(recipe, run)


@flow
def build_shards(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Make the shards of hard samples; the model, the generator and the judges must be in the run's folder.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        under_way = [build_shard.submit(recipe, opened, number) for number in range(recipe.shards.count)]
        for future in under_way:
            future.result()
        commit_set(recipe, opened)
