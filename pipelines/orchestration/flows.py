"""Flows on a run's folder: one at a time, nothing done that is done, named after what they work on."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from prefect import Flow, flow
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.runtime import deployment
from prefect.states import Cancelled, Completed

from data.errors import Busy
from data.runs import Run
from pipelines.orchestration import is_served
from pipelines.orchestration.assets import announce
from pipelines.recipes import Recipe
from pipelines.training import finished, naming
from pipelines.training.session import is_held, session

P = ParamSpec("P")
R = TypeVar("R")


def run_flow(work: Callable[P, R]) -> Flow[P, R]:
    """A decorator: a flow whose parameters are `recipe`, `run` (its folder) and what else its result depends on.

    Within another such flow on the same folder it just works. On its own it also
    - ends at once, as Completed, where the folder is as its last run left it,
    - ends as Cancelled, with the reason, where a deployment started it and another process is at work there,
    - names its run after dataset, round and model,
    - announces the shard set, if that is new, when all is done.
    """

    @wraps(work)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature(work).bind(*args, **kwargs)
        given.apply_defaults()
        if is_held(given.arguments["run"]):
            return work(*args, **kwargs)
        return unless_busy(lambda: _alone(work.__name__, given.arguments, lambda: work(*args, **kwargs)))

    return flow(flow_run_name=work.__name__.replace("_", "-"))(alone)


def unless_busy(work: Callable[[], R]) -> R:
    """What work returns; of a deployment's run Cancelled, with the reason, where another process is at the folder."""
    try:
        return work()
    except Busy as busy:
        if not deployment.id:
            raise
        return cast(R, Cancelled(message=str(busy)))


def _alone(name: str, given: Mapping[str, object], work: Callable[[], R]) -> R:
    recipe, folder = cast(Recipe, given["recipe"]), cast(Path, given["run"])
    more = [value for field, value in given.items() if field not in ("recipe", "run")]
    with session(recipe, folder) as opened:
        _name_run(recipe, opened)
        key = finished.key_of(recipe, more)
        if finished.is_as_left(opened, name, key):
            said = f"nothing to do: {opened.folder} is as the last run left it"
            get_run_logger().info(said)
            return cast(R, Completed(message=said, data=finished.result_of(opened, name)))
        result = work()
        announce(recipe, opened)
        finished.note(opened, name, key, result if isinstance(result, Path) else None)
        _name_run(recipe, opened)
        return result


def _name_run(recipe: Recipe, run: Run) -> None:
    context = FlowRunContext.get()
    if is_served() and context is not None and context.flow_run is not None:
        context.client.set_flow_run_name(context.flow_run.id, naming.name_of(recipe, run))
