"""Shard sets as Prefect's assets: a new one is an event, on which a deployment may start with what the event says."""

from functools import partial

from prefect.assets import add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE

from data.errors import WrongUse
from data.runs import Facts, Run
from pipelines.orchestration import is_served
from pipelines.recipes import Recipe
from pipelines.training.announced import ANNOUNCED, asset_of, facts_of
from pipelines.training.arms import SHARDS


def announce(recipe: Recipe, run: Run) -> None:
    """Tell of the run's shard set, once for each content it has; without a server nobody is told, nor later spared."""
    try:
        made = run.record(SHARDS)
    except WrongUse:
        return  # this run has made no set yet
    if is_served():
        tell = partial(_tell, recipe, run)
        run.stage(ANNOUNCED, {"digest": made.facts["digest"], "asset": asset_of(recipe, run)}, [], tell)


def _tell(recipe: Recipe, run: Run) -> tuple[Facts, float]:
    facts = facts_of(recipe, run)
    publish.with_options(assets=[asset_of(recipe, run)])(asset_of(recipe, run), facts)
    return {"digest": facts["digest"]}, 0.0


@materialize("hardshard://dataset/run", task_run_name="announce", cache_policy=NO_CACHE)
def publish(asset: str, facts: dict[str, object]) -> None:
    """Send the event, with all that a trainer needs."""
    add_asset_metadata(asset, facts)
