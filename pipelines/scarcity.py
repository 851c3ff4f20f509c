"""Flow: what do shards bring where labels are scarce? A whole run for each number of labels, and the curve of all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect import flow

from data.runs import Run
from pipelines.augment import augment
from pipelines.orchestration.flows import unless_busy
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, FromPreset, Recipe
from pipelines.training import stages
from pipelines.training.pages import scarcity as pages
from pipelines.training.participants import taken
from pipelines.training.scarcity import folder_of, must_be_held, must_make_a_curve, recipe_of
from pipelines.training.session import session


@stage_task("source")
def read_source(recipe: Recipe, run: Run, labels: Sequence[int]) -> None:
    """Take the real samples in, and see that they suffice for every number of labels."""
    stages.taken_in(recipe, run)
    must_be_held(labels, taken(run.folder).summary.kept["train"], recipe.source)
    if recipe.takes_unlabelled and not recipe.source.unlabelled.name:
        taken(run.folder).unlabelled(replace(recipe.source, labelled=max(labels)))


@stage_task("scarcity")
def write_report(run: Path, labels: Sequence[int]) -> Path:
    """Write scarcity.json and scarcity.html."""
    return pages.write(run, labels)


@flow(flow_run_name="scarcity")
def scarcity(
    recipe: FromPreset = DEFAULT,
    run: Path = Path("runs/digits-scarcity"),
    labels: Sequence[int] = (100, 300),
    seeds: int = 1,
) -> Path:
    """Run everything with each number of labels, the same samples under test, and draw what that gives.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the folder that holds the runs, `labels-100` and so on; what is finished there is not done again.
        labels: how many training samples count as labelled, two numbers or more; the larger hold the smaller's samples.
        seeds: how many classifiers of each arm are trained and attacked.

    Returns:
        The path of scarcity.json; scarcity.html lies beside it.

    Raises:
        WrongUse: there are fewer than two numbers, or more labels are asked for than there are training samples.
    """
    must_make_a_curve(labels, recipe.model.path)
    return unless_busy(lambda: _curve(recipe, run, sorted(labels), seeds))


def _curve(recipe: Recipe, run: Path, rising: Sequence[int], seeds: int) -> Path:
    first = recipe_of(recipe, rising[0])
    with session(first, folder_of(run, rising[0])) as opened:
        read_source(first, opened, rising)
    for number in rising:
        augment(recipe_of(recipe, number), folder_of(run, number), seeds)
    return write_report(run, rising)
