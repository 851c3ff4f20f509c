"""Flows: one run's shards, made on many machines, each in a folder of its own, with a store between them.

Drafts are what takes long. They are divided into ranges, each a run of the deployment `range`, which a worker on any
machine takes up; what it made goes to `operations.exchange`. Whoever joins them works too, from the last draft on, so
that a range that nobody takes up, or that takes too long, is made all the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Cancelling
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from data.claims import claim
from data.errors import WrongUse
from data.runs import Run
from data.store import Store
from pipelines.build_shards import build_draft, build_set, prepare_set
from pipelines.orchestration import is_served
from pipelines.orchestration.artifacts import show_set
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.serving import RANGES
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.train_generator import train_generator
from pipelines.train_model import train_model
from pipelines.training.processes import cores
from pipelines.training.session import session
from pipelines.training.sets import SetOptions

RANGE = "build-range/range"
"""Flow and deployment of a range."""


@run_flow
def build_range(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, first: int = 0, last: int = 0) -> None:
    """Make some of a set's drafts, for another machine to join; what others made before is taken from them.

    Args:
        recipe: a preset by name, and fields that differ from it, `operations.exchange` among them.
        run: the run's folder, this machine's own.
        first: number of the first draft.
        last: number of the last draft.
    """
    must_be_exchanged(recipe)
    with session(recipe, run) as opened:
        options = _prepared(recipe, run, opened)
        for made in [build_draft.submit(recipe, opened, options, number) for number in range(first, last + 1)]:
            made.result()


@run_flow
def build_on_many(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, at_once: int = 4) -> None:
    """Make a run's shards with all machines that have a worker for ranges.

    Args:
        recipe: a preset by name, and fields that differ from it, `operations.exchange` among them.
        run: the run's folder, this machine's own.
        at_once: drafts of one range.
    """
    must_be_exchanged(recipe)
    with session(recipe, run) as opened:
        options = _prepared(recipe, run, opened)
        with claim(Store(options.url), f"the run in {opened.folder}"), ranges(recipe, run, options, at_once):
            build_set(recipe, opened, options)
        show_set(recipe, opened)


# No more drafts are begun here than there are processes to make them: until one is, another machine may finish it.
a_thread_a_core = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=cores()))
build_on_many = build_on_many.with_options(task_runner=a_thread_a_core)


def must_be_exchanged(recipe: Recipe) -> None:
    """Refuse a recipe that names no place for machines to meet."""
    if not recipe.operations.exchange:
        raise WrongUse("many machines need operations.exchange, a folder or URL that all of them can write to")
    if not is_served():
        raise WrongUse("many machines need one server: set PREFECT_API_URL, for instance to http://host:4200/api")


def _prepared(recipe: Recipe, run: Path, opened: Run) -> SetOptions:
    train_model(recipe, run)
    train_generator(recipe, run)
    return prepare_set(recipe, opened)


@contextmanager
def ranges(recipe: Recipe, run: Path, options: SetOptions, at_once: int) -> Iterator[None]:
    """Have a set's drafts made on other machines, range by range, until the block ends."""
    parts = [options.drafts[start : start + at_once] for start in range(0, len(options.drafts), at_once)]
    begun = [_begin(recipe, run, part) for part in parts]
    get_run_logger().info("%d ranges of drafts for the workers of the pool %s", len(begun), RANGES)
    try:
        yield
    finally:
        _end(begun)


def _begin(recipe: Recipe, run: Path, part: Sequence[int]) -> UUID:
    """Ask for a range; its run's folder lies beside this one's, on whatever machine."""
    folder = run.with_name(f"{run.name}-range")
    given = {"recipe": asdict(recipe), "run": str(folder), "first": part[0], "last": part[-1]}
    return cast(FlowRun, run_deployment(RANGE, parameters=given, timeout=0, as_subflow=False)).id


def _end(begun: Sequence[UUID]) -> None:
    """Call off what nobody has taken up or finished; all its drafts are made by now, or the run has failed."""
    with get_client(sync_client=True) as client:
        for one in begun:
            state = client.read_flow_run(one).state
            if state is not None and not state.is_final():
                client.set_flow_run_state(one, Cancelling(message="its drafts were made by others"))
