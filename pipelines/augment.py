"""Flow: the whole run, from real samples to a hardened model and a report that says whether it paid."""

from pathlib import Path

from data.errors import WrongUse
from data.runs import Run
from pipelines.build_shards import build_shards
from pipelines.evaluate import evaluate
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.rounds import compare_rounds, rounds
from pipelines.train_generator import train_generator
from pipelines.train_model import read_source, train_model
from pipelines.train_robust import train_robust
from pipelines.training.evaluation.robustness import must_be_comparable
from pipelines.training.events import pages as of_pairs
from pipelines.training.session import session


@stage_task("report")
def write_report(recipe: Recipe, run: Run) -> Path:
    """Write report.json and report.html of a run on pairs."""
    return of_pairs.write(recipe, run)


@run_flow
def augment(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, seeds: int = 1) -> Path:
    """Run everything; what is finished in the run's folder is not done again.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
        seeds: how many classifiers of each arm are trained and attacked.

    Returns:
        The path of report.json.

    Raises:
        WrongUse: of pairs more than one seed is asked for, or no round.
    """
    if recipe.events.epsilon and (seeds > 1 or not recipe.rounds.count):
        raise WrongUse("a run on pairs is one training of at least one round: give other seeds folders of their own")
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        must_be_comparable(opened.folder, recipe.evaluation.part)
        if recipe.events.epsilon:
            return harden(recipe, opened)
        train_model(recipe, run)
        train_generator(recipe, run)
        build_shards(recipe, run)
        if recipe.rounds.count:
            rounds(recipe, run)
            compare_rounds(recipe, run)
        train_robust(recipe, run, seeds)
        return evaluate(recipe, run, seeds)


def harden(recipe: Recipe, run: Run) -> Path:
    """Rounds over pairs and what they are compared with, which is all that there is of a run on pairs."""
    rounds(recipe, run.folder)
    compare_rounds(recipe, run.folder)
    return write_report(recipe, run)


@run_flow
def build(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Run as far as the shards: no comparison, no test sample read.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        if recipe.events.epsilon:
            read_source(recipe, opened)
        else:
            train_model(recipe, run)
            train_generator(recipe, run)
            build_shards(recipe, run)
        if recipe.rounds.count:
            rounds(recipe, run)
