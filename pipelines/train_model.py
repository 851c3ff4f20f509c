"""Flow: the classifier to harden: the user's, or one trained on the real samples alone."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training import stages
from pipelines.training.session import session


@stage_task("source")
def read_source(recipe: Recipe, run: Run) -> StageRecord:
    """Take the real samples in, unless their source is as it was."""
    return stages.source(recipe, run)


@stage_task("model")
def fit_model(recipe: Recipe, run: Run) -> StageRecord:
    """Train it adversarially, or take the user's in."""
    return stages.model(recipe, run)


@run_flow
def train_model(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Train the model to harden, unless it is brought.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        fit_model(recipe, opened)
