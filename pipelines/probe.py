"""Flow: as far as the probe, so that `hardshard plan` knows what a budget will buy."""

from pathlib import Path

from pipelines.build_shards import choose_thresholds, try_some
from pipelines.orchestration.flows import run_flow
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset
from pipelines.train_generator import train_generator
from pipelines.train_model import train_model
from pipelines.training.drafting import AUTO
from pipelines.training.session import session


@run_flow
def probe(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Train model, generator and judges, and try a few candidates of each search and class.

    Args:
        recipe: a preset by name, and fields that differ from it; `budget.probe` says how many.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        train_model(recipe, run)
        train_generator(recipe, run)
        if AUTO in recipe.checks.values():
            choose_thresholds(recipe, opened)
        try_some(recipe, opened)
