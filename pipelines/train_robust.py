"""Flow: shards and real samples -> adversarially trained classifiers, ours and those it is compared with."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training import sets, stages
from pipelines.training.announced import must_be_as_announced
from pipelines.training.arms import arms_of
from pipelines.training.session import session


@stage_task("control-{arm}")
def build_control(recipe: Recipe, run: Run, arm: str) -> StageRecord:
    """Write the shard set of an arm that does not look for hard samples."""
    return sets.control(recipe, run, arm)


@stage_task("arm-{arm}-{seed}")
def fit_arm(recipe: Recipe, run: Run, arm: str, seed: int) -> StageRecord:
    """Train one arm from one seed."""
    return stages.arm(recipe, run, arm, seed)


@run_flow
def train_robust(
    recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, seeds: int = 1, manifest: str = "", digest: str = ""
) -> None:
    """Train a classifier on the shards, and one for each other arm of the comparison.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder, with its shards finished.
        seeds: how many classifiers of each arm.
        manifest: path or URL of the index.json of the shard set that is meant, as announced; empty for any.
        digest: its digest; another one is refused.

    Raises:
        WrongUse: the run's shard set is not the one that was announced.
    """
    with session(recipe, run) as opened:
        if manifest or digest:
            must_be_as_announced(recipe, opened, manifest, digest)
        arms = arms_of(recipe)
        controls = [build_control.submit(recipe, opened, name) for name, arm in arms.items() if arm.search]
        for control in controls:
            control.result()
        first = recipe.seed
        under_way = [fit_arm.submit(recipe, opened, arm, seed) for seed in range(first, first + seeds) for arm in arms]
        for future in under_way:
            future.result()
